package page

import (
	"strconv"
	"strings"
	"time"
)

// span is the time that figures are about: the end is exclusive.
type span struct{ from, to time.Time }

// figures are exact values by the name of the figure; of those in a row of a list, by the
// row's name, a space, and the figure's.
type figures map[string]string

// sums are the figures of the analyst's view over a span, $1 to $2, from the public
// views. A column's name is the figure's.
var sums = []string{`
select
    coalesce(sum(total_orders), 0) as "funnel.orders",
    coalesce(sum(orders_with_items), 0) as "funnel.with_items",
    coalesce(sum(orders_with_payment), 0) as "funnel.with_payment",
    coalesce(sum(paid_without_items), 0) as "funnel.paid_without_items",
    coalesce(round(100.0 * sum(orders_with_items) / nullif(sum(total_orders), 0), 2), 0.00) as "funnel.items_rate",
    coalesce(round(100.0 * sum(orders_with_payment) / nullif(sum(total_orders), 0), 2), 0.00) as "funnel.payment_rate",
    coalesce(sum(dropped_after_order), 0) as "funnel.dropped_after_order",
    coalesce(sum(dropped_after_items), 0) as "funnel.dropped_after_items",
    case
        when coalesce(greatest(sum(dropped_after_order), sum(dropped_after_items)), 0) = 0 then ''
        when sum(dropped_after_order) >= sum(dropped_after_items) then 'items'
        else 'payment'
    end as "funnel.bottleneck",
    coalesce(bool_and(is_final), false) as "funnel.is_final"
from real_time_funnel where window_start >= $1 and window_start < $2`, `
select
    coalesce(sum(gmv), 0.00) as "gmv.total",
    coalesce(sum(item_revenue), 0.00) as "gmv.item_revenue",
    coalesce(sum(item_count), 0) as "gmv.items",
    coalesce(sum(unique_orders), 0) as "gmv.orders",
    coalesce(round(sum(item_revenue) / nullif(sum(item_count), 0), 2), 0.00) as "gmv.avg_item_price"
from gmv_metrics where window_start >= $1 and window_start < $2`, `
select
    coalesce(sum(total_orders), 0) as "drop_off.orders",
    coalesce(sum(dropped_orders), 0) as "drop_off.dropped",
    coalesce(sum(pending_orders), 0) as "drop_off.pending",
    coalesce(round(100.0 * sum(dropped_orders) / nullif(sum(total_orders), 0), 2), 0.00) as "drop_off.rate",
    coalesce(sum(unique_customers_affected), 0) as "drop_off.customers"
from drop_off_analysis where window_start >= $1 and window_start < $2`, `
select
    (select count(*) from v_open_alerts) as "drop_off.alerts_open",
    count(*) as "drop_off.alerts_in_range"
from drop_off_alerts where window_start >= $1 and window_start < $2`, `
select
    coalesce(sum(payment_count), 0) as "payments.count",
    coalesce(sum(total_value), 0.00) as "payments.value",
    coalesce(round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2), 0.00) as "payments.success_rate"
from payment_metrics where window_start >= $1 and window_start < $2`,
}

// lists are the figures of rows. The column "row" names the row.
var lists = []string{`
select
    'drop_off.statuses:' || order_status as row,
    order_status as status,
    sum(total_orders) as orders,
    sum(dropped_orders) as dropped,
    sum(pending_orders) as pending,
    round(100.0 * sum(dropped_orders) / sum(sum(total_orders)) over (), 2) as rate,
    sum(unique_customers_affected) as customers,
    (
        select string_agg(smallest.id, ' ' order by smallest.id) from (
            select distinct sample.id collate "C" as id
            from drop_off_analysis as part cross join unnest(part.sample_order_ids) as sample (id)
            where part.order_status = d.order_status and part.window_start >= $1 and part.window_start < $2
            order by 1 limit 3
        ) as smallest
    ) as samples
from drop_off_analysis as d where window_start >= $1 and window_start < $2
group by order_status`, `
select
    'drop_off.alerts:' || alert_id as row,
    kind,
    order_status as status,
    dropped_orders as dropped,
    upper_limit as limit,
    expected,
    unique_customers_affected as customers,
    array_to_string(sample_order_ids, ' ') as samples
from v_open_alerts where $1::timestamptz < $2::timestamptz`, `
select
    'payments.types:' || payment_type as row,
    payment_type as type,
    sum(payment_count) as count,
    sum(total_value) as value,
    coalesce(round(100.0 * sum(total_value) / nullif(sum(sum(total_value)) over (), 0), 2), 0.00) as share,
    coalesce(round(sum(total_value) / nullif(sum(payment_count), 0), 2), 0.00) as average,
    -- The view has averages alone, which do not add up.
    (
        select coalesce(round(1.0 * sum(part.installments) / nullif(sum(part.payment_count), 0), 2), 0.00)
        from payment_windows as part
        where part.payment_type = m.payment_type and part.window_start >= $1 and part.window_start < $2
    ) as installments,
    coalesce(round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2), 0.00) as success_rate
from payment_metrics as m where window_start >= $1 and window_start < $2
group by payment_type`,
}

// sales are the figures of the analyst's view over a span.
func (w *world) sales(s span) figures {
	w.Helper()
	want := figures{}
	for _, query := range sums {
		for name, value := range w.row(query, s.from, s.to) {
			want[name] = value
		}
	}
	for _, query := range lists {
		for _, row := range w.rows(query, s.from, s.to) {
			for name, value := range row {
				if name != "row" {
					want[row["row"]+" "+name] = value
				}
			}
		}
	}
	return want
}

// chart is a query for the points of a chart in buckets of $3: bucket is the start, in
// seconds since 1970, and every other column a series. Where it is by something, the
// column "by" names the series of the single other column.
var charts = map[string]string{
	"funnel": `
select extract(epoch from date_bin($3::interval, window_start, 'epoch'))::bigint as bucket,
    sum(total_orders) as orders, sum(orders_with_items) as with_items, sum(orders_with_payment) as with_payment
from real_time_funnel where window_start >= $1 and window_start < $2 group by 1`,
	"gmv": `
select extract(epoch from date_bin($3::interval, window_start, 'epoch'))::bigint as bucket, sum(gmv) as "GMV"
from gmv_metrics where window_start >= $1 and window_start < $2 group by 1`,
	"drop_off": `
select extract(epoch from date_bin($3::interval, window_start, 'epoch'))::bigint as bucket,
    order_status as by, sum(dropped_orders) as dropped
from drop_off_analysis where window_start >= $1 and window_start < $2 group by 1, 2`,
	"payments": `
select extract(epoch from date_bin($3::interval, window_start, 'epoch'))::bigint as bucket,
    payment_type as by, sum(total_value) as value
from payment_metrics where window_start >= $1 and window_start < $2 group by 1, 2`,
}

// forecast is the newest one, where its hours touch the range.
const forecast = `
select extract(epoch from target_hour)::bigint as bucket, forecast,
    lower_80 as "80 %", upper_80 as "80 % at most", lower_95 as "95 %", upper_95 as "95 % at most"
from gmv_forecast
where made_at = (select max(made_at) from gmv_forecast) and $3::interval = '1 hour'
    and (select max(target_hour) + interval '1 hour' from gmv_forecast) > $1 and $1::timestamptz < $2::timestamptz`

// points are the values of a chart by series and start of the bucket, without those that
// are 0: a chart has no gaps.
type points map[string]map[int64]float64

func (p points) set(series string, bucket int64, value float64) {
	if value == 0 {
		return
	}
	if p[series] == nil {
		p[series] = map[int64]float64{}
	}
	p[series][bucket] = value
}

// chart are the points of a chart.
func (w *world) chart(name string, s span, bucket time.Duration) points {
	w.Helper()
	want := points{}
	args := []any{s.from, s.to, strconv.Itoa(int(bucket.Seconds())) + " seconds"}
	rows := w.rows(charts[name], args...)
	if name == "gmv" {
		rows = append(rows, w.rows(forecast, args...)...)
	}
	for _, row := range rows {
		start, err := strconv.ParseInt(row["bucket"], 10, 64)
		if err != nil {
			w.Fatal(err)
		}
		for column, value := range row {
			if column == "bucket" || column == "by" {
				continue
			}
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				w.Fatal(err)
			}
			if by, ok := row["by"]; ok {
				column = by
			}
			want.set(strings.ReplaceAll(column, "_", " "), start, number)
		}
	}
	return want
}

// The data time is the start of the newest window of a minute; the data begins with the
// oldest window of all. Both are null where there is none.
const (
	newest = "select max(window_start) as at from (" + windows + ") as w"
	oldest = "select min(window_start) as at from (" + windows + hours + ") as w"

	windows = `select window_start from real_time_funnel
		union all select window_start from gmv_metrics
		union all select window_start from payment_metrics`
	hours = " union all select window_start from drop_off_analysis"
)
