// Package golden is the oracle of the end-to-end tests: it computes every row of
// the metric views straight from the Olist CSV files, or from a list of events,
// for a run that has read everything and reached the end of time.
//
// It shares no code with the program that it judges and is written for plainness:
// everything is held in memory, each metric is one loop over the events, money is
// int64 cents, and rows are compared as text.
//
// What it cannot know is the order of arrival, so it assumes that no event came
// too late for its window and that the copies of an event came within the dedup
// horizon. Two more things follow from the meaning of the metrics: distinct
// customers are counted over all tasks (exact as long as the orders of one customer
// lie in one partition), and an OrderCreated counts once per order id even when it
// comes back after the join has forgotten the order.
package golden

import (
	"fmt"
	"math/big"
)

// kind says how the values of a column are read from Postgres and made canonical.
type kind int

const (
	instant kind = iota // timestamptz
	number              // integers and decimals
	flag                // boolean
	text                // text
	list                // text[]
)

// Column is a column of a view.
type Column struct {
	Name string
	kind kind
}

// View is a metric view with the columns that the oracle covers: all but those
// that show the wall clock (processed_at, detected_at).
type View struct {
	Name string
	// Key is how many of the leading columns identify a row.
	Key     int
	Columns []Column
}

// Names of the views.
const (
	Funnel   = "real_time_funnel"
	GMV      = "gmv_metrics"
	DropOff  = "drop_off_analysis"
	Payments = "payment_metrics"
	Hourly   = "hourly_funnel_summary"
)

// Views lists the views in the order in which Diff reports them.
func Views() []View {
	window := []Column{{"window_start", instant}, {"window_end", instant}}
	rates := numbers("items_conversion_rate", "payment_conversion_rate", "dropped_after_order", "dropped_after_items")
	counts := numbers("total_orders", "orders_with_items", "orders_with_payment", "paid_without_items")
	return []View{
		{Funnel, 2, columns(window, counts, rates, []Column{{"is_final", flag}})},
		{GMV, 2, columns(window,
			numbers("gmv", "item_revenue", "item_count", "unique_orders", "avg_item_price", "max_item_price", "min_item_price"),
			[]Column{{"is_final", flag}})},
		{DropOff, 3, columns(window, []Column{{"order_status", text}},
			numbers("total_orders", "dropped_orders", "pending_orders", "unique_customers_affected", "drop_rate"),
			[]Column{{"alert_triggered", flag}, {"sample_order_ids", list}})},
		{Payments, 3, columns(window, []Column{{"payment_type", text}},
			numbers("payment_count", "transaction_count", "unique_orders", "total_value", "total_payment_value",
				"avg_payment_value", "avg_installments", "max_installments",
				"successful_orders", "failed_orders", "success_rate"))},
		{Hourly, 1, columns([]Column{{"hour", instant}}, counts, rates, numbers("gmv", "total_payment_value"))},
	}
}

func numbers(names ...string) []Column {
	cs := make([]Column, len(names))
	for i, n := range names {
		cs[i] = Column{n, number}
	}
	return cs
}

func columns(groups ...[]Column) []Column {
	var all []Column
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// Row holds the values of one row in the order of its view's columns, as
// canonical text: times as RFC 3339 in UTC with microseconds, numbers as decimals
// without needless zeros, lists as JSON, SQL's null as NULL.
type Row []string

// Tables holds the rows of every view by the view's name.
type Tables map[string][]Row

// Sum adds up a column of numbers with at most two decimals, exactly. It returns
// an error for a column that does not exist or holds something else.
func (t Tables) Sum(view, column string) (string, error) {
	for _, v := range Views() {
		if v.Name != view {
			continue
		}
		for i, c := range v.Columns {
			if c.Name == column && c.kind == number {
				return sum(t[view], i)
			}
		}
	}
	return "", fmt.Errorf("view %s has no column of numbers named %s", view, column)
}

func sum(rows []Row, column int) (string, error) {
	total := new(big.Rat)
	for _, r := range rows {
		n, ok := new(big.Rat).SetString(r[column])
		if !ok {
			return "", fmt.Errorf("%q is not a number", r[column])
		}
		total.Add(total, n)
	}
	return canonicalNumber(total.FloatString(2)), nil
}
