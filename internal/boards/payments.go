package boards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const paymentsUID = "tidemark-payments"

// chosenMethod holds for the windows of the range and the chosen methods.
const chosenMethod = `$__timeFilter(window_start) and payment_type in ($method)`

func payments(opened Range) dashboard.Dashboard {
	b := sales(paymentsUID, "Payment Insights",
		"Payments by method, by the time at which they were approved, or their order was placed where they were not.", opened)
	withVariables(&b, bucketVariable("1m", "1m", "1h", "1d"), columnVariable("method", "Method", "payment_type", "payment_windows"))
	place(&b,
		section{"In the selected range", []*panel{
			figures("Value", "What was paid, by how many payments, and the mean of one.",
				rows(`select
    sum(total_value) as "Value",
    sum(payment_count) as "Payments",
    round(sum(total_value) / nullif(sum(payment_count), 0), 2) as "Average"
from payment_windows
where `+chosenMethod)).unit(units.Real).column("Payments", unit(units.Short)).size(10, 6),
			figures("Success", "Of 100 payments, those that were approved, worth more than 0 and of a defined method; and the mean number of instalments.",
				rows(`select
    round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2) as "Success rate",
    round(sum(installments) / nullif(sum(payment_count), 0), 2) as "Instalments"
from payment_windows
where `+chosenMethod)).unit(units.Short).
				column("Success rate", unit(units.Percent), property("thresholds", map[string]any{
					"mode":  "absolute",
					"steps": []map[string]any{{"value": nil, "color": "red"}, {"value": 90, "color": "orange"}, {"value": 97, "color": "green"}},
				})).size(8, 6),
			jump(paymentsUID, "payment_windows", "1 minute", "0").size(6, 6),
			donut("Share of value", "Which part of the value is paid by which method.",
				rows(`select payment_type as "Method", sum(total_value) as "Value"
from payment_windows
where `+chosenMethod+`
group by 1
order by 2 desc, 1`)).unit(units.Real).size(8, 9),
			listed("Methods", "Success counts payments and not orders. Share is of the value of all methods in the range.",
				rows(`select
    payment_type as "Method",
    sum(payment_count) as "Payments",
    sum(total_value) as "Value",
    round(100.0 * sum(total_value) / nullif((select sum(total_value) from payment_windows where $__timeFilter(window_start)), 0), 2) as "Share",
    round(sum(total_value) / nullif(sum(payment_count), 0), 2) as "Average",
    round(sum(installments) / nullif(sum(payment_count), 0), 2) as "Instalments",
    max(max_installments) as "Most instalments",
    round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2) as "Success rate",
    sum(failed_orders) as "Failed"
from payment_windows
where `+chosenMethod+`
group by 1
order by 3 desc, 1`)).unit(units.Short).
				column("Value", unit(units.Real)).column("Average", unit(units.Real)).
				column("Share", unit(units.Percent)).column("Success rate", unit(units.Percent)).size(16, 9),
		}},
		section{"Trend", []*panel{
			over(stacked(), "Value by method", "By the time of approval.",
				series(`select
    $__timeGroupAlias(window_start,$bucket),
    payment_type as metric,
    sum(total_value) as "Value"
from payment_windows
where `+chosenMethod+`
group by 1, 2
order by 1, 2`)).unit(units.Real).size(12, 9),
			over(lines(), "Success rate by method", "Of 100 payments of a bucket and method, those that were successful. A fall of one method alone points at its provider.",
				series(`select
    $__timeGroupAlias(window_start,$bucket),
    payment_type as metric,
    round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2) as "Success rate"
from payment_windows
where `+chosenMethod+`
group by 1, 2
order by 1, 2`)).unit(units.Percent).atMost(100).size(12, 9),
			bars(eachRow(), "Success rate", "Of 100 payments of a method, those that were successful.",
				rows(`select
    payment_type as "Method",
    round(100.0 * sum(successful_orders) / nullif(sum(payment_count), 0), 2) as "Success rate"
from payment_windows
where `+chosenMethod+`
group by 1
order by 2 desc, 1`)).unit(units.Percent).atMost(100).color(dashboard.FieldColorModeIdContinuousGreens).size(8, 8),
			bars(eachRow(), "Instalments", "The mean number of instalments of a method.",
				rows(`select
    payment_type as "Method",
    round(sum(installments) / nullif(sum(payment_count), 0), 2) as "Instalments"
from payment_windows
where `+chosenMethod+`
group by 1
order by 2 desc, 1`)).unit(units.Short).decimals(2).size(8, 8),
			listed("The last hour of data", "Whatever the selected range, by the view v_payment_performance.",
				rows(`select
    payment_type as "Method",
    total_transactions as "Payments",
    total_value as "Value",
    avg_value as "Average",
    avg_success_rate as "Success rate"
from v_payment_performance
order by total_value desc, payment_type`)).unit(units.Short).
				column("Value", unit(units.Real)).column("Average", unit(units.Real)).column("Success rate", unit(units.Percent)).size(8, 8),
		}},
	)
	return b
}
