package boards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const funnelUID = "tidemark-funnel"

// Colors of the stages, from the first to the last, the same in every panel.
const (
	ordersColor  = "semi-dark-blue"
	itemsColor   = "semi-dark-purple"
	paymentColor = "semi-dark-green"
)

// stages names the sums of the funnel as they are shown. Sums over a range are the same of
// the partial rows of the table as of the view that adds those up to minutes, and come in
// a tenth of the time.
const stages = `sum(total_orders) as "Orders placed",
    sum(orders_with_items) as "With items",
    sum(orders_with_payment) as "With approved payment"`

func funnel(opened Range) dashboard.Dashboard {
	b := sales(funnelUID, "Real-Time Funnel",
		"Orders, and how many of them get items and an approved payment. Every count belongs to the minute in which the order was placed.", opened)
	withVariables(&b, bucketVariable("1m", "1m", "1h", "1d"))
	withAlerts(&b)
	place(&b,
		section{"In the selected range", []*panel{
			staged(bars(lastValue(), "Funnel", "Orders placed, those of them with an item, and those of these with an approved payment.",
				rows(`select
    `+stages+`
from funnel_windows
where $__timeFilter(window_start)`)).unit(units.Short)).size(10, 7),
			figures("Conversion", "Of 100 orders placed, how many get an item, and how many an item and an approved payment.",
				rows(`select
    round(100.0 * sum(orders_with_items) / nullif(sum(total_orders), 0), 2) as "Orders with items",
    round(100.0 * sum(orders_with_payment) / nullif(sum(total_orders), 0), 2) as "Orders paid"
from funnel_windows
where $__timeFilter(window_start)`)).unit(units.Percent).decimals(2).
				thresholds("red", step{80, "orange"}, step{90, "green"}).size(8, 7),
			jump(funnelUID, "funnel_windows", "1 minute", "0").size(6, 7),
			words("bottleneck", "Bottleneck", "The step that loses most orders.",
				rows(`select case
    when orders = 0 then 'no orders'
    when paid = orders then 'none: every order is paid'
    when orders - with_items >= with_items - paid then format(
        'Items: %s of %s orders get none (%s %%)',
        to_char(orders - with_items, 'FM999,999,999'), to_char(orders, 'FM999,999,999'), round(100.0 * (orders - with_items) / orders, 2)
    )
    else format(
        'Payment: %s of %s orders with items get no approved one (%s %%)',
        to_char(with_items - paid, 'FM999,999,999'), to_char(with_items, 'FM999,999,999'), round(100.0 * (with_items - paid) / with_items, 2)
    )
end as bottleneck
from (
    select
        coalesce(sum(total_orders), 0) as orders,
        coalesce(sum(orders_with_items), 0) as with_items,
        coalesce(sum(orders_with_payment), 0) as paid
    from funnel_windows
    where $__timeFilter(window_start)
) as f`)).unit(units.String).thresholds("dark-orange").size(12, 4),
			figures("Lost on the way", "Orders without an item; orders with items and without an approved payment; and orders that are paid though no item is known of them, which are not in the funnel.",
				rows(`select
    sum(total_orders - orders_with_items) as "No items",
    sum(orders_with_items - orders_with_payment) as "Items, no payment",
    sum(orders_paid - orders_with_payment) as "Paid, no items"
from funnel_windows
where $__timeFilter(window_start)`)).unit(units.Short).size(12, 4),
		}},
		section{"Trend", []*panel{
			staged(over(columns(), "Orders by stage", "The bars lie before each other: what sticks out behind is lost at that step. Red marks are alerts.",
				series(`select
    $__timeGroupAlias(window_start,$bucket),
    `+stages+`
from funnel_windows
where $__timeFilter(window_start)
group by 1
order by 1`)).unit(units.Short)).size(12, 9),
			over(lines(), "Conversion", "Of 100 orders of a bucket, those with an item, and those with an item and an approved payment. Newest buckets rise until their payments are in.",
				series(`select
    $__timeGroupAlias(window_start,$bucket),
    round(100.0 * sum(orders_with_items) / nullif(sum(total_orders), 0), 2) as "Orders with items",
    round(100.0 * sum(orders_with_payment) / nullif(sum(total_orders), 0), 2) as "Orders paid"
from funnel_windows
where $__timeFilter(window_start)
group by 1
order by 1`)).unit(units.Percent).atMost(100).
				column("Orders with items", fixed(itemsColor)).column("Orders paid", fixed(paymentColor)).size(12, 9),
		}},
		section{"The last hour of data, whatever the range", []*panel{
			staged(bars(lastValue(), "Funnel of the last hour", "Back from the newest window, by the view v_latest_funnel.",
				rows(`select
    `+stages+`
from v_latest_funnel`)).unit(units.Short)).size(8, 6),
			figures("Data time", "End of the newest window that has orders, and how many windows may still change: nothing is final before the watermark has passed it by the seven days in which items and payments may come.",
				rows(`select
    extract(epoch from max(f.window_end)) * 1000 as "Newest window",
    count(distinct f.window_start) filter (where not coalesce(f.closes_at <= p.watermark, false)) as "Windows not final"
from funnel_windows as f
left join tidemark_progress as p on p.stream = f.stream`)).unit(units.Short).column("Newest window", unit(units.DatetimeISO)).size(6, 6),
			listed("Newest windows", "The newest minutes with orders in the selected range, with what was sold in the same minute.",
				rows(`select
    f.window_start as "Minute",
    f.total_orders as "Orders",
    f.orders_with_items as "With items",
    f.orders_with_payment as "Paid",
    f.items_conversion_rate as "Items %",
    f.payment_conversion_rate as "Paid %",
    coalesce((
        select sum(g.item_revenue + g.freight)
        from gmv_windows as g
        where g.window_start = f.window_start and g.window_end = f.window_end
    ), 0) as "GMV",
    f.is_final as "Final"
from real_time_funnel as f
where $__timeFilter(f.window_start) and f.window_start >= (
    select min(n.window_start)
    from (
        select distinct window_start
        from funnel_windows
        where $__timeFilter(window_start)
        order by window_start desc
        limit 50
    ) as n
)
order by f.window_start desc`)).unit(units.Short).
				column("Minute", unit(units.DatetimeISO)).
				column("Items %", unit(units.Percent)).column("Paid %", unit(units.Percent)).
				column("GMV", unit(units.Real)).size(10, 6),
		}},
	)
	return b
}

// staged colors the stages.
func staged(p *panel) *panel {
	return p.column("Orders placed", fixed(ordersColor)).
		column("With items", fixed(itemsColor)).
		column("With approved payment", fixed(paymentColor))
}
