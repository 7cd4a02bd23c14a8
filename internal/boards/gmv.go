package boards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const gmvUID = "tidemark-gmv"

// days holds for the windows of a day that touch the selected range: a day begins before
// the last hour of it does.
const days = `window_end > $__timeFrom() and window_start < $__timeTo()`

func gmv(opened Range) dashboard.Dashboard {
	b := sales(gmvUID, "GMV Trends",
		"Gross merchandise value: what items and their freight cost, by the time at which they were sold.", opened)
	withVariables(&b, bucketVariable("1m", "1m", "1h", "1d"), columnVariable("state", "State", "customer_state", "state_windows"))
	place(&b,
		section{"In the selected range", []*panel{
			figures("GMV", "Price plus freight of all items sold.",
				rows(`select sum(item_revenue + freight) as "GMV", sum(item_revenue) as "Item revenue", sum(freight) as "Freight"
from gmv_windows
where $__timeFilter(window_start)`)).unit(units.Real).size(9, 6),
			figures("Items", "Items sold, the orders that they belong to, and the average price of an item without its freight.",
				rows(`select
    sum(item_count) as "Items",
    sum(unique_orders) as "Orders",
    round(sum(item_revenue) / nullif(sum(item_count), 0), 2) as "Average price"
from gmv_windows
where $__timeFilter(window_start)`)).unit(units.Short).column("Average price", unit(units.Real)).size(9, 6),
			jump(gmvUID, "gmv_windows", "1 minute", "24 hours").size(6, 6),
			over(stacked(), "GMV", "By minute, hour or day: choose the bucket above. The bars of revenue and freight add up to GMV.",
				series(`select
    $__timeGroupAlias(window_start,$bucket),
    sum(item_revenue) as "Item revenue",
    sum(freight) as "Freight"
from gmv_windows
where $__timeFilter(window_start)
group by 1
order by 1`)).unit(units.Real).size(24, 9),
		}},
		section{"Forecast", []*panel{
			banded(along(hoursColumn, lines(), "The next 24 hours", "The newest forecast with its 80 % band, behind the last three days of sales. Hours count from the end of the data, whatever the selected range.",
				rows(fmt.Sprintf(`select
    round(extract(epoch from s.hour - c.complete_until) / 3600) as "%s",
    s.gmv as "GMV",
    null::numeric as "Forecast",
    null::numeric as "80 %% lower",
    null::numeric as "80 %% upper"
from hourly_gmv as s
cross join gmv_complete_until as c
where s.hour >= c.complete_until - interval '72 hours'
union all
select
    round(extract(epoch from f.target_hour - c.complete_until) / 3600),
    null,
    f.forecast,
    f.lower_80,
    f.upper_80
from v_gmv_forecast as f
cross join gmv_complete_until as c
where f.target_hour >= c.complete_until
order by 1`, hoursColumn)))).unit(units.Real).column(hoursColumn, property("unit", "suffix: h")).size(10, 9),
			banded(over(lines(), "GMV by hour and its forecasts", "Of each hour the newest forecast that was made of it, beside what was sold then. 4 of 5 hours lie within the band. Show the last 7 days of data to see it well.",
				series(`select hour as "time", gmv as "GMV"
from hourly_gmv
where $__timeFilter(hour)
order by 1`),
				series(`select
    target_hour as "time",
    forecast as "Forecast",
    lower_80 as "80 % lower",
    upper_80 as "80 % upper"
from v_gmv_forecast
where $__timeFilter(target_hour)
order by 1`))).unit(units.Real).size(10, 9),
			figures("Newest forecast", "What the next 24 hours are expected to sell in all, and when it was made, in data time. Bounds of hours do not add up, so there is none here.",
				rows(`select
    sum(forecast) as "Next 24 hours",
    extract(epoch from made_at) * 1000 as "Made at"
from gmv_forecast
where made_at = (select max(newest.made_at) from gmv_forecast as newest)
group by made_at`)).unit(units.Real).column("Made at", unit(units.DatetimeISO)).size(4, 9),
		}},
		section{"By category", []*panel{
			bars(eachRow(), "Top categories", "GMV by product category, of the days that touch the selected range.",
				rows(`select product_category as "Category", sum(gmv) as "GMV"
from category_gmv
where `+days+`
group by 1
order by 2 desc, 1
limit 12`)).unit(units.Real).size(10, 10),
			over(stacked(), "GMV by category", "The seven largest categories of the range, and all others. Windows of a day: smaller buckets show whole days.",
				series(topSeries("category_gmv", "product_category", days))).unit(units.Real).size(14, 10),
			listed("Categories of the last 7 days of data", "Whatever the selected range, by the view v_top_categories.",
				rows(`select
    rank as "Rank",
    product_category as "Category",
    gmv as "GMV",
    gmv_share as "Share",
    item_count as "Items",
    avg_item_price as "Average price"
from v_top_categories
order by rank
limit 10`)).unit(units.Short).column("GMV", unit(units.Real)).column("Share", unit(units.Percent)).
				column("Average price", unit(units.Real)).size(12, 8),
			listed("Sellers of the last 7 days of data", "Whatever the selected range, by the view v_top_sellers.",
				rows(`select
    rank as "Rank",
    seller_id as "Seller",
    seller_state as "State",
    gmv as "GMV",
    gmv_share as "Share",
    item_count as "Items"
from v_top_sellers
order by rank
limit 10`)).unit(units.Short).column("GMV", unit(units.Real)).column("Share", unit(units.Percent)).size(12, 8),
		}},
		section{"By state of the customer", []*panel{
			bars(eachRow(), "Top states", "GMV by state of the customer, of the days that touch the selected range.",
				rows(`select customer_state as "State", sum(gmv) as "GMV"
from state_gmv
where `+days+` and customer_state in ($state)
group by 1
order by 2 desc, 1
limit 12`)).unit(units.Real).size(10, 10),
			over(stacked(), "GMV by state", "The seven largest of the chosen states, and the others of them. Windows of a day: smaller buckets show whole days.",
				series(topSeries("state_gmv", "customer_state", days+" and customer_state in ($state)"))).unit(units.Real).size(14, 10),
			listed("States: sales and deliveries", "Of the orders placed on the days that touch the selected range. Late is a delivery a day and more after the promised day; the delay is negative where orders come early.",
				rows(`select
    s.customer_state as "State",
    s.orders as "Orders",
    s.gmv as "GMV",
    s.average as "Average order",
    d.late_rate as "Late",
    d.delivery_days as "Days to deliver",
    d.delay_days as "Days of delay"
from (
    select
        customer_state,
        sum(total_orders) as orders,
        sum(gmv) as gmv,
        round(sum(gmv) / nullif(sum(orders_with_items), 0), 2) as average
    from state_gmv
    where `+days+` and customer_state in ($state)
    group by customer_state
) as s
left join (
    select
        customer_state,
        round(100.0 * sum(late_orders) / nullif(sum(promised_orders), 0), 2) as late_rate,
        round(sum(delivery_ms) / nullif(sum(delivered_orders), 0) / 86400000.0, 2) as delivery_days,
        round(sum(delay_ms) / nullif(sum(promised_orders), 0) / 86400000.0, 2) as delay_days
    from delivery_windows
    where `+days+` and customer_state in ($state)
    group by customer_state
) as d on d.customer_state = s.customer_state
order by s.gmv desc, s.customer_state`)).unit(units.Short).
				column("GMV", unit(units.Real)).column("Average order", unit(units.Real)).column("Late", unit(units.Percent)).
				column("Days to deliver", unit(units.Days)).column("Days of delay", unit(units.Days)).size(24, 10),
		}},
	)
	return b
}

const hoursColumn = "Hours from the end of the data"

// topSeries is the query for GMV by the seven largest values of a column, and the rest.
func topSeries(view, column, where string) string {
	return fmt.Sprintf(`with top as (
    select %[2]s as name
    from %[1]s
    where %[3]s
    group by 1
    order by sum(gmv) desc, 1
    limit 7
)
select
    $__timeGroupAlias(window_start,$bucket),
    case when %[2]s in (select name from top) then %[2]s else 'others' end as metric,
    sum(gmv) as "GMV"
from %[1]s
where %[3]s
group by 1, 2
order by 1, 2`, view, column, where)
}

// banded draws the forecast as a dashed line within its band.
func banded(p *panel) *panel {
	lower, upper := "80 % lower", "80 % upper"
	return p.column("GMV", fixed("semi-dark-green")).
		column("Forecast", fixed("orange"), property("custom.lineStyle", common.LineStyle{Fill: cog.ToPtr(common.LineStyleFillDash), Dash: []float64{8, 6}})).
		column(lower, fixed("orange"), property("custom.lineWidth", 0), property("custom.fillOpacity", 0), property("custom.showPoints", "never")).
		column(upper, fixed("orange"), property("custom.lineWidth", 0), property("custom.fillOpacity", 25),
			property("custom.fillBelowTo", lower), property("custom.showPoints", "never"))
}
