-- migration: repeatable
-- Sales by category, state and seller, and deliveries, by the conventions of
-- 002_views.sql. Days are those of UTC.

create or replace view category_gmv as
select
    window_start,
    window_end,
    product_category,
    (item_revenue + freight)::numeric(15, 2) as gmv,
    item_revenue::numeric(15, 2) as item_revenue,
    item_count,
    coalesce(round(item_revenue / nullif(item_count, 0), 2), 0)::numeric(15, 2) as avg_item_price,
    is_final
from (
    select
        c.window_start,
        c.window_end,
        c.product_category,
        sum(c.item_revenue) as item_revenue,
        sum(c.freight) as freight,
        sum(c.item_count)::bigint as item_count,
        bool_and(coalesce(c.closes_at <= p.watermark, false)) as is_final
    from category_windows as c
    left join tidemark_progress as p on p.stream = c.stream
    group by c.window_start, c.window_end, c.product_category
) as w;

create or replace view state_gmv as
select
    window_start,
    window_end,
    customer_state,
    (item_revenue + freight)::numeric(15, 2) as gmv,
    item_revenue::numeric(15, 2) as item_revenue,
    item_count,
    total_orders,
    orders_with_items,
    coalesce(round((item_revenue + freight) / nullif(orders_with_items, 0), 2), 0)::numeric(15, 2) as avg_order_value,
    is_final
from (
    select
        s.window_start,
        s.window_end,
        s.customer_state,
        sum(s.item_revenue) as item_revenue,
        sum(s.freight) as freight,
        sum(s.item_count)::bigint as item_count,
        sum(s.total_orders)::bigint as total_orders,
        sum(s.orders_with_items)::bigint as orders_with_items,
        bool_and(coalesce(s.closes_at <= p.watermark, false)) as is_final
    from state_windows as s
    left join tidemark_progress as p on p.stream = s.stream
    group by s.window_start, s.window_end, s.customer_state
) as w;

create or replace view delivery_performance as
select
    window_start,
    window_end,
    customer_state,
    total_orders,
    delivered_orders,
    promised_orders,
    late_orders,
    coalesce(round(100.0 * late_orders / nullif(promised_orders, 0), 2), 0.00) as late_rate,
    coalesce(round(delivery_ms / (nullif(delivered_orders, 0) * 86400000.0), 2), 0.00) as avg_delivery_days,
    coalesce(round(delay_ms / (nullif(promised_orders, 0) * 86400000.0), 2), 0.00) as avg_delay_days,
    is_final
from (
    select
        d.window_start,
        d.window_end,
        d.customer_state,
        sum(d.total_orders)::bigint as total_orders,
        sum(d.delivered_orders)::bigint as delivered_orders,
        sum(d.promised_orders)::bigint as promised_orders,
        sum(d.late_orders)::bigint as late_orders,
        sum(d.delivery_ms) as delivery_ms,
        sum(d.delay_ms) as delay_ms,
        bool_and(coalesce(d.closes_at <= p.watermark, false)) as is_final
    from delivery_windows as d
    left join tidemark_progress as p on p.stream = d.stream
    group by d.window_start, d.window_end, d.customer_state
) as w;

create or replace view top_sellers as
select
    window_start,
    window_end,
    -- Byte order: the same ranks whatever the database's locale.
    row_number() over (
        partition by window_start, window_end order by item_revenue + freight desc, seller_id collate "C"
    ) as rank,
    seller_id,
    seller_state,
    (item_revenue + freight)::numeric(15, 2) as gmv,
    item_revenue::numeric(15, 2) as item_revenue,
    item_count,
    is_final
from (
    select
        s.window_start,
        s.window_end,
        s.seller_id,
        max(s.seller_state) as seller_state,
        sum(s.item_revenue) as item_revenue,
        sum(s.freight) as freight,
        sum(s.item_count)::bigint as item_count,
        bool_and(coalesce(s.closes_at <= p.watermark, false)) as is_final
    from seller_windows as s
    left join tidemark_progress as p on p.stream = s.stream
    group by s.window_start, s.window_end, s.seller_id
) as w;

create or replace view v_top_categories as
select
    row_number() over (order by gmv desc, product_category collate "C") as rank,
    product_category,
    gmv::numeric(15, 2) as gmv,
    coalesce(round(100.0 * gmv / nullif(sum(gmv) over (), 0), 2), 0.00) as gmv_share,
    item_count,
    coalesce(round(item_revenue / nullif(item_count, 0), 2), 0)::numeric(15, 2) as avg_item_price
from (
    select
        product_category,
        sum(item_revenue + freight) as gmv,
        sum(item_revenue) as item_revenue,
        sum(item_count)::bigint as item_count
    from category_windows
    -- Hours, because a day's length depends on the session's zone.
    where window_start > (select max(newest.window_start) from category_windows as newest) - interval '168 hours'
    group by product_category
) as w
order by rank;

create or replace view v_top_sellers as
select
    row_number() over (order by gmv desc, seller_id collate "C") as rank,
    seller_id,
    seller_state,
    gmv::numeric(15, 2) as gmv,
    coalesce(round(100.0 * gmv / nullif(sum(gmv) over (), 0), 2), 0.00) as gmv_share,
    item_count
from (
    select
        seller_id,
        max(seller_state) as seller_state,
        sum(item_revenue + freight) as gmv,
        sum(item_count)::bigint as item_count
    from seller_windows
    where window_start > (select max(newest.window_start) from seller_windows as newest) - interval '168 hours'
    group by seller_id
) as w
order by rank;

create or replace view v_delivery_by_state as
select
    customer_state,
    total_orders,
    delivered_orders,
    late_orders,
    coalesce(round(100.0 * late_orders / nullif(promised_orders, 0), 2), 0.00) as late_rate,
    coalesce(round(delivery_ms / (nullif(delivered_orders, 0) * 86400000.0), 2), 0.00) as avg_delivery_days,
    coalesce(round(delay_ms / (nullif(promised_orders, 0) * 86400000.0), 2), 0.00) as avg_delay_days
from (
    select
        customer_state,
        sum(total_orders)::bigint as total_orders,
        sum(delivered_orders)::bigint as delivered_orders,
        sum(promised_orders)::bigint as promised_orders,
        sum(late_orders)::bigint as late_orders,
        sum(delivery_ms) as delivery_ms,
        sum(delay_ms) as delay_ms
    from delivery_windows
    where window_start > (select max(newest.window_start) from delivery_windows as newest) - interval '720 hours'
    group by customer_state
) as w
order by total_orders desc, customer_state collate "C";

comment on view category_gmv is 'Sold items per day and product category; unknown where the product has none.';
comment on view state_gmv is 'Orders placed per day and state of the customer, and the items that joined them.';
comment on view delivery_performance is
'Deliveries of the orders placed on each day, by state of the customer: days from purchase, and from the estimate (negative: early).';
comment on view top_sellers is 'Sellers of each day by rank of their GMV; the first ten: where rank <= 10.';
comment on view v_top_categories is 'Categories of the last 7 days of data, by GMV, with their share in percent.';
comment on view v_top_sellers is 'Sellers of the last 7 days of data, by GMV, with their share in percent.';
comment on view v_delivery_by_state is 'Deliveries of the orders placed in the last 30 days of data, by state of the customer.';
