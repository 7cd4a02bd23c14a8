package console

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func at(minute int) time.Time {
	return time.Date(2018, 1, 3, 10, minute, 0, 0, time.UTC)
}

// The rows of tasks add up, and a newer row of a task takes the place of its older one.
func TestRows(t *testing.T) {
	r := NewRows()
	add := func(operator, task string, window, watermark int, fields map[string]any) bool {
		fields["window_start"] = at(window)
		return r.Add(Partial{Stream: "s", Task: task, Operator: operator, Watermark: at(watermark), Fields: fields})
	}
	funnel := func(orders, items, paid int64) map[string]any {
		return map[string]any{"total_orders": orders, "orders_with_items": items, "orders_paid": paid, "orders_with_payment": paid}
	}
	add("funnel", "0", 5, 3, funnel(1, 0, 0))
	add("funnel", "0", 5, 6, funnel(2, 1, 0))
	add("funnel", "1", 5, 4, funnel(1, 1, 1))
	add("funnel", "1", 6, 5, funnel(1, 0, 0))
	gmv := func(revenue, freight string, items int64) map[string]any {
		return map[string]any{"item_revenue": json.Number(revenue), "freight": json.Number(freight), "item_count": items, "unique_orders": int64(1)}
	}
	add("gmv", "0", 5, 5, gmv("0.10", "0.01", 1))
	add("gmv", "1", 5, 5, gmv("0.2", "0", 7))
	drop := func(status string, orders, complete, dropped int64) map[string]any {
		return map[string]any{"order_status": status, "total_orders": orders, "complete_orders": complete, "dropped_orders": dropped, "customers_affected": dropped}
	}
	add("drop_off", "0", 0, 5, drop("delivered", 4, 1, 0))
	add("drop_off", "0", 0, 5, drop("canceled", 3, 0, 3))
	add("drop_off", "1", 0, 5, drop("canceled", 3, 0, 3))
	pay := func(kind string, n int64, value string, good int64) map[string]any {
		return map[string]any{"payment_type": kind, "payment_count": n, "total_value": json.Number(value), "successful_orders": good}
	}
	add("payments", "0", -61, 5, pay("boleto", 1, "5", 1)) // older than the last hour
	add("payments", "0", -54, 5, pay("boleto", 2, "5", 1))
	add("payments", "1", 5, 5, pay("boleto", 1, "1.005", 0))
	add("payments", "1", 5, 5, pay("credit_card", 1, "9", 1))
	if add("other", "0", 5, 5, map[string]any{}) {
		t.Error("there is a table of an operator that nobody knows")
	}
	r.Letter()
	want := map[string]string{
		"funnel":   "[{2018-01-03 10:06:00 +0000 UTC  [1 0 0 0.00 0.00 1 0] false} {2018-01-03 10:05:00 +0000 UTC  [3 2 1 66.67 33.33 1 1] false}]",
		"gmv":      "[{2018-01-03 10:05:00 +0000 UTC  [0.31 8 2 0.04] false}]",
		"drop_off": "[{2018-01-03 10:00:00 +0000 UTC canceled [6 6 0 60.00 6] true} {2018-01-03 10:00:00 +0000 UTC delivered [4 0 3 0.00 0] false}]",
		"payments": "[{0001-01-01 00:00:00 +0000 UTC credit_card [1 9.00 9.00 100.00] false} {0001-01-01 00:00:00 +0000 UTC boleto [3 6.01 2.00 33.33] false}]",
	}
	v := r.View()
	for _, table := range v.Tables {
		if got := fmt.Sprint(table.Rows); got != want[table.Name] {
			t.Errorf("%s: %s, want %s", table.Name, got, want[table.Name])
		}
	}
	// The stream is as far as its slowest task.
	if s := v.Streams[0]; len(v.Streams) != 1 || !s.Watermark.Equal(at(5)) || s.Rows != 14 || v.Letters != 1 {
		t.Errorf("%+v", v)
	}
}

// However many windows there are, only the newest are kept.
func TestRowsAreBounded(t *testing.T) {
	r := NewRows()
	const windows = 5 * keepWindows
	for i := range windows {
		r.Add(Partial{Operator: "gmv", Fields: map[string]any{"window_start": at(i), "item_count": int64(i)}})
	}
	if n := len(r.operators["gmv"].windows); n > 2*keepWindows {
		t.Errorf("%d windows are kept", n)
	}
	v := r.View()
	table := v.table("gmv")
	if len(table.Rows) != viewRows || table.Rows[0].Cells[1] != fmt.Sprint(windows-1) {
		t.Errorf("%d rows, the first is %v", len(table.Rows), table.Rows[0])
	}
}
