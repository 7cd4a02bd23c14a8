package pg

import (
	"context"
	"database/sql"
	"io"
)

const funnelColumns = `
	window_start, total_orders as orders, orders_with_items as with_items, orders_with_payment as with_payment,
	items_conversion_rate as "items_%", payment_conversion_rate as "payment_%",
	dropped_after_order as no_items, dropped_after_items as no_payment`

const funnelTotals = `
	select
		count(*) as windows,
		coalesce(sum(total_orders), 0)::bigint as orders,
		coalesce(sum(orders_with_items), 0)::bigint as with_items,
		coalesce(sum(orders_with_payment), 0)::bigint as with_payment,
		coalesce(sum(paid_without_items), 0)::bigint as paid_without_items,
		coalesce(round(100.0 * sum(orders_with_items) / nullif(sum(total_orders), 0), 2), 0.00) as "items_%",
		coalesce(round(100.0 * sum(orders_with_payment) / nullif(sum(total_orders), 0), 2), 0.00) as "payment_%",
		count(*) filter (where is_final) as final
	from real_time_funnel`

const gmvTotals = `
	select
		coalesce(sum(gmv), 0)::numeric(15, 2) as gmv,
		coalesce(sum(item_revenue), 0)::numeric(15, 2) as item_revenue,
		coalesce(sum(item_count), 0)::bigint as items,
		coalesce(round(sum(item_revenue) / nullif(sum(item_count), 0), 2), 0)::numeric(15, 2) as avg_item_price,
		max(max_item_price) as max_item_price,
		min(min_item_price) as min_item_price
	from gmv_metrics`

const paymentTotals = `
	select
		payment_type,
		sum(payment_count)::bigint as payments,
		sum(total_value)::numeric(15, 2) as total_value,
		coalesce(round(sum(total_value) / nullif(sum(payment_count), 0), 2), 0)::numeric(15, 2) as avg_value,
		sum(successful_orders)::bigint as successful,
		sum(failed_orders)::bigint as failed,
		coalesce(round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2), 0.00) as "success_%"
	from payment_metrics
	group by payment_type
	order by total_value desc, payment_type`

const dropOffTotals = `
	select
		order_status,
		sum(total_orders)::bigint as orders,
		sum(dropped_orders)::bigint as dropped,
		sum(pending_orders)::bigint as pending,
		coalesce(round(100.0 * sum(dropped_orders) / nullif(sum(sum(total_orders)) over (), 0), 2), 0.00) as "drop_%",
		count(*) filter (where alert_triggered) as alerts
	from drop_off_analysis
	group by order_status
	order by orders desc, order_status`

const deadLetterTotals = `
	select stream, reason, count(*) as records
	from dead_letter_events
	group by stream, reason
	order by stream, reason`

// newestWindows bounds a query of a view to its $1 newest windows: sorting the whole view
// to see its end takes seconds on a year of minutes, the index takes none.
func newestWindows(table string) string {
	return `
	where window_start >= (
		select min(n.window_start)
		from (select distinct window_start from ` + table + ` order by window_start desc limit $1) as n
	)`
}

// newest is the end of a query of a view for its $1 newest windows.
func newest(table string) string {
	return newestWindows(table) + `
	order by window_start desc limit $1`
}

const latestFunnel = "select " + funnelColumns + `
	from v_latest_funnel order by window_start desc limit $1`

var completeFunnel = "select " + funnelColumns + `,
		total_gmv as gmv, total_items as items, total_payment as paid, avg_payment_value as avg_payment
	from v_complete_funnel` + newest("funnel_windows")

const activeAlerts = `
	select
		window_start, window_end, order_status, dropped_orders as dropped,
		unique_customers_affected as customers, sample_order_ids as sample_orders, detected_at
	from v_active_alerts order by window_start desc, dropped_orders desc, order_status limit $1`

const topCategories = `
	select rank, product_category as category, gmv, gmv_share as "gmv_%", item_count as items, avg_item_price
	from v_top_categories order by rank limit $1`

const topSellers = `
	select rank, seller_id as seller, seller_state as state, gmv, gmv_share as "gmv_%", item_count as items
	from v_top_sellers order by rank limit $1`

const stateTotals = `
	select
		customer_state as state, sum(gmv)::numeric(15, 2) as gmv, sum(total_orders)::bigint as orders,
		sum(orders_with_items)::bigint as with_items,
		coalesce(round(sum(gmv) / nullif(sum(orders_with_items), 0), 2), 0)::numeric(15, 2) as avg_order_value
	from state_gmv
	group by customer_state
	order by gmv desc, customer_state limit $1`

const deliveries = `
	select
		customer_state as state, total_orders as orders, delivered_orders as delivered, late_orders as late,
		late_rate as "late_%", avg_delivery_days, avg_delay_days
	from v_delivery_by_state order by total_orders desc, customer_state limit $1`

// The first hours are the most certain; the sums tell of the day.
const nextForecast = `
	select
		target_hour, model, forecast,
		lower_80, upper_80, lower_95, upper_95
	from gmv_forecast
	where made_at = (select max(newest.made_at) from gmv_forecast as newest)
	order by target_hour limit $1`

const forecastTotals = `
	select
		made_at, count(*) as hours, sum(forecast)::numeric(15, 2) as forecast,
		(
			select coalesce(sum(h.gmv), 0)::numeric(15, 2)
			from hourly_gmv as h
			where h.hour >= f.made_at - interval '24 hours' and h.hour < f.made_at
		) as "day_before"
	from gmv_forecast as f
	where made_at = (select max(newest.made_at) from gmv_forecast as newest)
	group by made_at`

const loggedAlerts = `
	select
		kind, window_start, order_status, dropped_orders as dropped, round(upper_limit, 2) as "limit",
		unique_customers_affected as customers, sample_order_ids as sample_orders, fired_at, resolved_at
	from drop_off_alerts`

const openAlerts = loggedAlerts + `
	where resolved_at is null
	order by window_start desc, dropped_orders desc, order_status, kind limit $1`

const resolvedAlerts = loggedAlerts + `
	where resolved_at is not null
	order by resolved_at desc, window_start desc, dropped_orders desc, order_status, kind limit $1`

const newestAlerts = `
	select
		kind, window_start, order_status, dropped_orders as dropped, round(upper_limit, 2) as "limit",
		case when resolved_at is null then 'open' else 'resolved' end as state, sample_order_ids as sample_orders
	from drop_off_alerts
	order by window_start desc, dropped_orders desc, order_status, kind limit $1`

var recentFunnel = "select " + funnelColumns + `, is_final as final
	from real_time_funnel` + newest("funnel_windows")

var recentGMV = `
	select window_start, gmv, item_count as items, unique_orders as orders, avg_item_price, is_final as final
	from gmv_metrics` + newest("gmv_windows")

// section is one table of a report.
type section struct {
	title string
	query string
	args  []any
}

func report(ctx context.Context, db *sql.DB, w io.Writer, sections ...section) error {
	for _, s := range sections {
		t, err := query(ctx, db, s.query, s.args...)
		if err != nil {
			return explain("read "+s.title, err)
		}
		if err := t.write(w, s.title); err != nil {
			return err
		}
	}
	return nil
}

// Latest prints the funnel of the last hour of data, newest first, at most rows windows.
func Latest(ctx context.Context, db *sql.DB, w io.Writer, rows int) error {
	return report(ctx, db, w, section{"Funnel, last hour of data", latestFunnel, []any{rows}})
}

// Complete prints the newest windows, at most rows, of the funnel with GMV and
// payments beside them, and the totals over all windows.
func Complete(ctx context.Context, db *sql.DB, w io.Writer, rows int) error {
	return report(ctx, db, w,
		section{"Funnel with GMV and payments, newest windows", completeFunnel, []any{rows}},
		section{"Funnel, all windows", funnelTotals, nil},
		section{"GMV, all windows", gmvTotals, nil},
		section{"Payments by type, all windows", paymentTotals, nil})
}

// Alerts prints the windows of the last hour of data that are above their thresholds,
// and of the log of alerts those that are open and those that were resolved last; of
// each newest first, at most rows.
func Alerts(ctx context.Context, db *sql.DB, w io.Writer, rows int) error {
	return report(ctx, db, w,
		section{"Alerts, last hour of data", activeAlerts, []any{rows}},
		section{"Open alerts", openAlerts, []any{rows}},
		section{"Resolved alerts", resolvedAlerts, []any{rows}})
}

// Dimensions prints sales by category, seller and state, and how deliveries went, at
// most rows of each.
func Dimensions(ctx context.Context, db *sql.DB, w io.Writer, rows int) error {
	return report(ctx, db, w,
		section{"Categories, last 7 days of data", topCategories, []any{rows}},
		section{"Sellers, last 7 days of data", topSellers, []any{rows}},
		section{"States of customers, all windows", stateTotals, []any{rows}},
		section{"Deliveries by state, orders of the last 30 days of data", deliveries, []any{rows}})
}

// PrintTables prints a short overview of all that the streams have written.
func PrintTables(ctx context.Context, db *sql.DB, w io.Writer) error {
	const few = 5
	return report(ctx, db, w,
		section{"Funnel", funnelTotals, nil},
		section{"Funnel, newest windows", recentFunnel, []any{few}},
		section{"GMV", gmvTotals, nil},
		section{"GMV, newest windows", recentGMV, []any{few}},
		section{"GMV forecast, the next day", forecastTotals, nil},
		section{"GMV forecast, the next hours", nextForecast, []any{few}},
		section{"Payments by type", paymentTotals, nil},
		section{"Drop-off by order status", dropOffTotals, nil},
		section{"Alerts, newest windows", newestAlerts, []any{few}},
		section{"Dead letters", deadLetterTotals, nil})
}
