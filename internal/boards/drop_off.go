package boards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const dropOffUID = "tidemark-drop-off"

// chosenStatus holds for the windows of the range and the chosen statuses.
const chosenStatus = `$__timeFilter(window_start) and order_status in ($status)`

func dropOff(opened Range) dashboard.Dashboard {
	b := sales(dropOffUID, "Drop-off Analysis",
		"Orders that are dropped: canceled, unavailable or never confirmed, or without an item or an approved payment after seven days.", opened)
	withVariables(&b, bucketVariable("1h", "1h", "1d", "7d"), columnVariable("status", "Status", "order_status", "drop_off_windows"))
	withAlerts(&b)
	place(&b,
		section{"In the selected range", []*panel{
			figures("Drop-off", "Orders of the chosen statuses that were dropped, in percent of all orders of the range; and orders of which it is not known yet.",
				rows(`select
    round(100.0 * sum(dropped_orders) filter (where order_status in ($status)) / nullif(sum(total_orders), 0), 2) as "Drop rate",
    sum(dropped_orders) filter (where order_status in ($status)) as "Dropped",
    sum(total_orders - complete_orders - dropped_orders) filter (where order_status in ($status)) as "Pending",
    sum(customers_affected) filter (where order_status in ($status)) as "Customers affected"
from drop_off_windows
where $__timeFilter(window_start)`)).unit(units.Short).column("Drop rate", unit(units.Percent)).size(12, 6),
			figures("Alerts", "Alerts about windows of the selected range, and alerts that are open now, whatever the range.",
				rows(`select
    (select count(*) from drop_off_alerts where $__timeFilter(window_start)) as "In the range",
    (select count(*) from v_open_alerts) as "Open"`)).unit(units.Short).
				column("Open", property("thresholds", map[string]any{
					"mode":  "absolute",
					"steps": []map[string]any{{"value": nil, "color": "green"}, {"value": 1, "color": "red"}},
				})).size(6, 6),
			jump(dropOffUID, "drop_off_windows", "1 hour", "0").size(6, 6),
			bars(eachRow(), "Dropped orders by status", "The status in which dropped orders are. Of a status like delivered, it is those without an approved payment or without an item.",
				rows(`select order_status as "Status", sum(dropped_orders) as "Dropped"
from drop_off_windows
where `+chosenStatus+`
group by 1
having sum(dropped_orders) > 0
order by 2 desc, 1`)).unit(units.Short).color(dashboard.FieldColorModeIdContinuousReds).size(8, 9),
			listed("Statuses", "All orders of a status, and what became of them. Rate is in percent of all orders of the range, so the column adds up to the rate of the range.",
				rows(`select
    order_status as "Status",
    sum(total_orders) as "Orders",
    sum(dropped_orders) as "Dropped",
    sum(total_orders - complete_orders - dropped_orders) as "Pending",
    round(100.0 * sum(dropped_orders) / nullif((select sum(total_orders) from drop_off_windows where $__timeFilter(window_start)), 0), 2) as "Rate",
    sum(customers_affected) as "Customers"
from drop_off_windows
where `+chosenStatus+`
group by 1
order by 3 desc, 1`)).unit(units.Short).column("Rate", unit(units.Percent)).size(16, 9),
		}},
		section{"Trend", []*panel{
			over(lines(), "Drop rate", "Dropped orders of the chosen statuses in percent of all orders of a bucket. Red marks are alerts.",
				series(`select
    $__timeGroupAlias(window_start,$bucket),
    round(100.0 * coalesce(sum(dropped_orders) filter (where order_status in ($status)), 0) / nullif(sum(total_orders), 0), 2) as "Drop rate"
from drop_off_windows
where $__timeFilter(window_start)
group by 1
order by 1`)).unit(units.Percent).column("Drop rate", fixed("semi-dark-red")).size(12, 9),
			over(stacked(), "Dropped orders by status", "By the hour in which they were placed, however much later they were given up. Red marks are alerts.",
				series(`select
    $__timeGroupAlias(window_start,$bucket),
    order_status as metric,
    sum(dropped_orders) as "Dropped"
from drop_off_windows
where `+chosenStatus+`
group by 1, 2
order by 1, 2`)).unit(units.Short).size(12, 9),
		}},
		section{"Alerts", []*panel{
			listed("Open alerts", "Alerts that have fired and are not resolved. None is good news.",
				rows(`select
    window_start as "Hour",
    kind as "Kind",
    order_status as "Status",
    dropped_orders as "Dropped",
    upper_limit as "Limit",
    expected as "Expected",
    unique_customers_affected as "Customers",
    fired_at as "Fired at"
from v_open_alerts
where order_status in ($status)
order by window_start desc, order_status, kind`)).unit(units.Short).empty("No alert is open").
				column("Hour", unit(units.DatetimeISO)).column("Fired at", unit(units.DatetimeISO)).size(12, 8),
			listed("Alerts in the selected range", "The log of all alerts. Limit is the threshold of the rule, or what weeks before allow. Fired and resolved are of the clock, the hour is of the data.",
				rows(`select
    window_start as "Hour",
    kind as "Kind",
    order_status as "Status",
    dropped_orders as "Dropped",
    round(upper_limit, 2) as "Limit",
    round(expected, 2) as "Expected",
    fired_at as "Fired at",
    resolved_at as "Resolved at",
    resolution as "Resolution"
from drop_off_alerts
where `+chosenStatus+`
order by window_start desc, order_status, kind
limit 200`)).unit(units.Short).empty("No alert in this range").
				column("Hour", unit(units.DatetimeISO)).column("Fired at", unit(units.DatetimeISO)).column("Resolved at", unit(units.DatetimeISO)).size(12, 8),
			listed("Sample orders", "Up to three dropped orders of each hour and status: the smallest ids.",
				rows(`select
    d.window_start as "Hour",
    d.order_status as "Status",
    s.order_id as "Order",
    d.dropped_orders as "Dropped in the hour",
    d.drop_rate as "Rate of the hour",
    d.alert_triggered as "Above the threshold"
from (
    select distinct window_start, order_status
    from drop_off_windows
    where `+chosenStatus+` and dropped_orders > 0
    order by window_start desc, order_status
    limit 200
) as n
inner join drop_off_analysis as d on d.window_start = n.window_start and d.order_status = n.order_status
cross join lateral unnest(d.sample_order_ids) as s (order_id)
order by d.window_start desc, d.order_status, s.order_id
limit 200`)).unit(units.Short).column("Hour", unit(units.DatetimeISO)).column("Rate of the hour", unit(units.Percent)).size(24, 9),
		}},
	)
	return b
}
