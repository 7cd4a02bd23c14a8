-- The views in plain SQL over the CSV files: a second opinion on the oracle.
create table orders (order_id text, customer_id text, order_status text, purchased timestamp, approved timestamp,
  carrier timestamp, delivered timestamp, estimated timestamp);
create table items (order_id text, order_item_id int, product_id text, seller_id text, shipping_limit timestamp,
  price numeric(15,2), freight numeric(15,2));
create table payments (order_id text, payment_sequential int, payment_type text, installments int, value numeric(15,2));

create view joined as
select o.*, purchased at time zone 'UTC' as t,
  exists (select from items where order_id = o.order_id) as has_item,
  exists (select from payments where order_id = o.order_id)
    and coalesce(approved - purchased between interval '-1 hour' and interval '7 days', false) as has_payment
from orders o;

create view paid as
select p.*, coalesce(approved, purchased) at time zone 'UTC' as t,
  approved is not null and value > 0 and payment_type <> 'not_defined' as successful
from payments p join orders using (order_id);

create view cohorts as
select date_trunc('minute', t, 'UTC') as w, count(*) as total,
  count(*) filter (where has_item) as items, count(*) filter (where has_item and has_payment) as payment,
  count(*) filter (where has_payment and not has_item) as paid_only
from joined group by 1;

create view real_time_funnel as
select w as window_start, w + interval '1 minute' as window_end, total as total_orders, items as orders_with_items,
  payment as orders_with_payment, paid_only as paid_without_items,
  round(100.0 * items / total, 2) as items_conversion_rate, round(100.0 * payment / total, 2) as payment_conversion_rate,
  total - items as dropped_after_order, items - payment as dropped_after_items, true as is_final
from cohorts;

create view gmv_metrics as
select date_trunc('minute', t, 'UTC') as window_start, date_trunc('minute', t, 'UTC') + interval '1 minute' as window_end,
  sum(price + freight) as gmv, sum(price) as item_revenue, count(*) as item_count,
  count(distinct order_id) as unique_orders, round(avg(price), 2) as avg_item_price,
  max(price) as max_item_price, min(price) as min_item_price, true as is_final
from items join joined using (order_id) group by 1;

create view drop_off_analysis as
with judged as (
  select *, date_trunc('hour', t, 'UTC') as w,
    order_status in ('canceled', 'unavailable', 'created') or not (has_item and has_payment) as dropped
  from joined),
hours as (select w, count(*) as total from judged group by 1)
select w as window_start, w + interval '1 hour' as window_end, order_status, count(*) as total_orders,
  count(*) filter (where dropped) as dropped_orders, 0 as pending_orders,
  count(distinct customer_id) filter (where dropped) as unique_customers_affected,
  round(100.0 * count(*) filter (where dropped) / hours.total, 2) as drop_rate,
  count(*) filter (where dropped) > 5 as alert_triggered,
  coalesce((array_agg(order_id order by order_id collate "C") filter (where dropped))[1:3], '{}') as sample_order_ids
from judged join hours using (w) group by w, order_status, hours.total;

create view payment_metrics as
select date_trunc('minute', t, 'UTC') as window_start, date_trunc('minute', t, 'UTC') + interval '1 minute' as window_end,
  payment_type, count(*) as payment_count, count(*) as transaction_count, count(distinct order_id) as unique_orders,
  sum(value) as total_value, sum(value) as total_payment_value, round(avg(value), 2) as avg_payment_value,
  round(avg(installments), 2) as avg_installments, max(installments) as max_installments,
  count(*) filter (where successful) as successful_orders, count(*) filter (where not successful) as failed_orders,
  round(100.0 * count(*) filter (where successful) / count(*), 2) as success_rate
from paid group by 1, 3;

create view hourly_funnel_summary as
with c as (
  select date_trunc('hour', w, 'UTC') as hour, sum(total) as total, sum(items) as items, sum(payment) as payment,
    sum(paid_only) as paid_only
  from cohorts group by 1),
g as (select date_trunc('hour', window_start, 'UTC') as hour, sum(gmv) as gmv from gmv_metrics group by 1),
p as (select date_trunc('hour', t, 'UTC') as hour, sum(value) as value from paid group by 1)
select hour, coalesce(total, 0) as total_orders, coalesce(items, 0) as orders_with_items,
  coalesce(payment, 0) as orders_with_payment, coalesce(paid_only, 0) as paid_without_items,
  coalesce(round(100.0 * items / total, 2), 0) as items_conversion_rate,
  coalesce(round(100.0 * payment / total, 2), 0) as payment_conversion_rate,
  coalesce(total - items, 0) as dropped_after_order, coalesce(items - payment, 0) as dropped_after_items,
  coalesce(gmv, 0) as gmv, coalesce(value, 0) as total_payment_value
from c full join g using (hour) full join p using (hour);
