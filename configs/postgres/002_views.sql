-- migration: repeatable
-- What users query. Rates are percentages; rates and averages have two decimals,
-- rounded half up, and are 0 where there is nothing to divide by. "Last hour" is
-- data time: back from the newest window, not from the wall clock.
--
-- Columns keep their names and order and new ones go to the end: only then can a
-- view be replaced under the dashboards that read it.

-- How far a stream has come: the slowest of its tasks that ever had a record. A
-- task without records holds nothing back; the watermark of a stream with only such is null.
create or replace view tidemark_progress as
select
    stream,
    min(watermark) as watermark
from tidemark_tasks
group by stream;

create or replace view real_time_funnel as
select
    window_start,
    window_end,
    total_orders,
    orders_with_items,
    orders_with_payment,
    orders_paid - orders_with_payment as paid_without_items,
    coalesce(round(100.0 * orders_with_items / nullif(total_orders, 0), 2), 0.00) as items_conversion_rate,
    coalesce(round(100.0 * orders_with_payment / nullif(total_orders, 0), 2), 0.00) as payment_conversion_rate,
    total_orders - orders_with_items as dropped_after_order,
    orders_with_items - orders_with_payment as dropped_after_items,
    is_final,
    processed_at
from (
    select
        f.window_start,
        f.window_end,
        sum(f.total_orders)::bigint as total_orders,
        sum(f.orders_with_items)::bigint as orders_with_items,
        sum(f.orders_paid)::bigint as orders_paid,
        sum(f.orders_with_payment)::bigint as orders_with_payment,
        -- bool_and skips nulls, and an unknown watermark must not pass for final.
        bool_and(coalesce(f.closes_at <= p.watermark, false)) as is_final,
        max(f.processed_at) as processed_at
    from funnel_windows as f
    left join tidemark_progress as p on p.stream = f.stream
    group by f.window_start, f.window_end
) as w;

create or replace view gmv_metrics as
select
    window_start,
    window_end,
    (item_revenue + freight)::numeric(15, 2) as gmv,
    item_revenue::numeric(15, 2) as item_revenue,
    item_count,
    unique_orders,
    coalesce(round(item_revenue / nullif(item_count, 0), 2), 0)::numeric(15, 2) as avg_item_price,
    max_item_price::numeric(15, 2) as max_item_price,
    min_item_price::numeric(15, 2) as min_item_price,
    is_final
from (
    select
        g.window_start,
        g.window_end,
        sum(g.item_revenue) as item_revenue,
        sum(g.freight) as freight,
        sum(g.item_count)::bigint as item_count,
        sum(g.unique_orders)::bigint as unique_orders,
        max(g.max_item_price) as max_item_price,
        min(g.min_item_price) as min_item_price,
        bool_and(coalesce(g.closes_at <= p.watermark, false)) as is_final
    from gmv_windows as g
    left join tidemark_progress as p on p.stream = g.stream
    group by g.window_start, g.window_end
) as w;

create or replace view drop_off_analysis as
select
    w.window_start,
    w.window_end,
    w.order_status,
    w.total_orders,
    w.dropped_orders,
    w.total_orders - w.complete_orders - w.dropped_orders as pending_orders,
    w.unique_customers_affected,
    -- Of all orders of the window, so that its rows add up to the window's rate.
    coalesce(round(100.0 * w.dropped_orders / nullif(w.window_orders, 0), 2), 0.00) as drop_rate,
    w.dropped_orders > coalesce(
        own.threshold,
        (select fallback.threshold from alert_rules as fallback where fallback.order_status = '*'),
        5
    ) as alert_triggered,
    -- Byte order: the same three ids whatever the database's locale.
    array(
        select distinct sample.id collate "C"
        from drop_off_windows as part
        cross join unnest(part.sample_order_ids) as sample (id)
        where
            part.window_start = w.window_start
            and part.window_end = w.window_end
            and part.order_status = w.order_status
            and sample.id is not null
        order by sample.id collate "C"
        limit 3
    ) as sample_order_ids,
    w.detected_at
from (
    select
        window_start,
        window_end,
        order_status,
        sum(total_orders)::bigint as total_orders,
        sum(complete_orders)::bigint as complete_orders,
        sum(dropped_orders)::bigint as dropped_orders,
        sum(customers_affected)::bigint as unique_customers_affected,
        sum(sum(total_orders)) over (partition by window_start, window_end) as window_orders,
        max(processed_at) as detected_at
    from drop_off_windows
    group by window_start, window_end, order_status
) as w
left join alert_rules as own on own.order_status = w.order_status;

create or replace view payment_metrics as
select
    window_start,
    window_end,
    payment_type,
    payment_count,
    payment_count as transaction_count,
    unique_orders,
    total_value::numeric(15, 2) as total_value,
    total_value::numeric(15, 2) as total_payment_value,
    coalesce(round(total_value / nullif(payment_count, 0), 2), 0)::numeric(15, 2) as avg_payment_value,
    coalesce(round(installments / nullif(payment_count, 0), 2), 0.00) as avg_installments,
    max_installments,
    successful_orders,
    failed_orders,
    coalesce(round(100.0 * successful_orders / nullif(payment_count, 0), 2), 0.00) as success_rate
from (
    select
        window_start,
        window_end,
        payment_type,
        sum(payment_count)::bigint as payment_count,
        sum(unique_orders)::bigint as unique_orders,
        sum(total_value) as total_value,
        sum(installments) as installments,
        max(max_installments) as max_installments,
        sum(successful_orders)::bigint as successful_orders,
        sum(failed_orders)::bigint as failed_orders
    from payment_windows
    group by window_start, window_end, payment_type
) as w;

create or replace view hourly_funnel_summary as
select
    hour,
    total_orders,
    orders_with_items,
    orders_with_payment,
    orders_paid - orders_with_payment as paid_without_items,
    coalesce(round(100.0 * orders_with_items / nullif(total_orders, 0), 2), 0.00) as items_conversion_rate,
    coalesce(round(100.0 * orders_with_payment / nullif(total_orders, 0), 2), 0.00) as payment_conversion_rate,
    total_orders - orders_with_items as dropped_after_order,
    orders_with_items - orders_with_payment as dropped_after_items,
    gmv::numeric(15, 2) as gmv,
    total_payment_value::numeric(15, 2) as total_payment_value
from (
    select
        -- Hours of UTC; date_trunc would take those of the session's time zone.
        date_bin('1 hour', window_start, timestamptz '1970-01-01 00:00:00+00') as hour,
        sum(total_orders)::bigint as total_orders,
        sum(orders_with_items)::bigint as orders_with_items,
        sum(orders_paid)::bigint as orders_paid,
        sum(orders_with_payment)::bigint as orders_with_payment,
        sum(item_revenue + freight) as gmv,
        sum(payment_value) as total_payment_value,
        sum(item_count) as item_count,
        sum(payment_count) as payment_count
    from (
        select
            window_start,
            total_orders,
            orders_with_items,
            orders_paid,
            orders_with_payment,
            0::numeric as item_revenue,
            0::numeric as freight,
            0::bigint as item_count,
            0::numeric as payment_value,
            0::bigint as payment_count
        from funnel_windows
        union all
        select window_start, 0, 0, 0, 0, item_revenue, freight, item_count, 0, 0
        from gmv_windows
        union all
        select window_start, 0, 0, 0, 0, 0, 0, 0, total_value, payment_count
        from payment_windows
    ) as part
    group by 1
) as w
where total_orders > 0 or item_count > 0 or payment_count > 0;

create or replace view v_latest_funnel as
select
    window_start,
    window_end,
    total_orders,
    orders_with_items,
    orders_with_payment,
    items_conversion_rate,
    payment_conversion_rate,
    dropped_after_order,
    dropped_after_items
from real_time_funnel
where window_start > (select max(newest.window_start) from funnel_windows as newest) - interval '1 hour';

create or replace view v_complete_funnel as
select
    f.window_start,
    f.window_end,
    f.total_orders,
    f.orders_with_items,
    f.orders_with_payment,
    f.items_conversion_rate,
    f.payment_conversion_rate,
    f.dropped_after_order,
    f.dropped_after_items,
    coalesce(g.gmv, 0)::numeric(15, 2) as total_gmv,
    coalesce(g.item_count, 0) as total_items,
    coalesce(p.total_payment, 0)::numeric(15, 2) as total_payment,
    coalesce(round(p.total_payment / nullif(p.payment_count, 0), 2), 0)::numeric(15, 2) as avg_payment_value,
    greatest(f.processed_at, g.processed_at, p.processed_at) as processed_at
from real_time_funnel as f
-- Lateral, so that a query for some windows reads only those of the other tables.
left join lateral (
    select
        sum(item_revenue + freight) as gmv,
        sum(item_count)::bigint as item_count,
        max(processed_at) as processed_at
    from gmv_windows
    where window_start = f.window_start and window_end = f.window_end
) as g on true
left join lateral (
    select
        sum(total_value) as total_payment,
        sum(payment_count) as payment_count,
        max(processed_at) as processed_at
    from payment_windows
    where window_start = f.window_start and window_end = f.window_end
) as p on true;

create or replace view v_payment_performance as
select
    payment_type,
    sum(payment_count)::bigint as total_transactions,
    sum(total_value)::numeric(15, 2) as total_value,
    coalesce(round(sum(total_value) / nullif(sum(payment_count), 0), 2), 0)::numeric(15, 2) as avg_value,
    coalesce(round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2), 0.00) as avg_success_rate
from payment_windows
where window_start > (select max(newest.window_start) from payment_windows as newest) - interval '1 hour'
group by payment_type;

create or replace view v_active_alerts as
select
    window_start,
    window_end,
    order_status,
    dropped_orders,
    unique_customers_affected,
    sample_order_ids,
    detected_at
from drop_off_analysis
where
    alert_triggered
    and window_start > (select max(newest.window_start) from drop_off_windows as newest) - interval '1 hour';

comment on view tidemark_progress is 'Watermark of each stream: windows that close at or before it are final.';
comment on view real_time_funnel is 'Orders of each minute, and how many of them got items and an approved payment.';
comment on view gmv_metrics is 'Sold items per minute: gmv is price plus freight.';
comment on view drop_off_analysis is 'Dropped and pending orders per hour and order status.';
comment on view payment_metrics is 'Payments per minute and type; the success columns count payments.';
comment on view hourly_funnel_summary is 'Funnel, GMV and payments per hour (UTC).';
comment on view v_latest_funnel is 'The funnel of the last hour of data.';
comment on view v_complete_funnel is
'Each funnel window with the items and payments of the same minute. Payments are often approved in a minute without orders: for totals use payment_metrics.';
comment on view v_payment_performance is 'Payments by type in the last hour of data.';
comment on view v_active_alerts is 'Windows of the last hour of data with more dropped orders than alert_rules allows.';
