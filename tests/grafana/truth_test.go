package grafana

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	promsdk "github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// truth is what the oracle computes from the files.
type truth struct {
	events []golden.Event
	views  golden.Tables // those of the streams, and those of days
	alerts int
}

// thresholds are the alert rules of these tests: low enough for alerts to fire in a small
// data set. Those of anomalies are the defaults.
var thresholds = map[string]int64{"*": 1}

func newTruth(t testing.TB, dir string) *truth {
	t.Helper()
	w := &truth{}
	var err error
	if w.events, _, err = golden.Read(dir, golden.Selection{}); err != nil {
		t.Fatal(err)
	}
	o := golden.Defaults()
	o.Thresholds = thresholds
	w.views = golden.Compute(w.events, o)
	days, err := golden.Dimensions(dir)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(w.views, days)
	dropped, err := w.views.Dropped()
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]golden.AlertRule{}
	for status, n := range thresholds {
		rule := golden.DefaultAlertRule()
		rule.Threshold = n
		rules[status] = rule
	}
	for _, j := range golden.Judge(dropped, rules) {
		if j.Threshold {
			w.alerts++
		}
		if j.Anomaly {
			w.alerts++
		}
	}
	return w
}

// line is a row of a view by column.
type line map[string]string

// lines are the rows of a view.
func (w *truth) lines(view string) (all []line) {
	for _, v := range slices.Concat(golden.Views(), golden.DimensionViews()) {
		if v.Name != view {
			continue
		}
		for _, row := range w.views[view] {
			l := line{}
			for i, c := range v.Columns {
				l[c.Name] = row[i]
			}
			all = append(all, l)
		}
	}
	return all
}

func (l line) at(column string) time.Time {
	at, _ := time.Parse(time.RFC3339, l[column]) // the oracle wrote it
	return at
}

// number reads a number of the oracle or of Postgres; what is none is no number of ours.
func number(text string) *big.Rat {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return big.NewRat(-1, 1)
	}
	return n
}

// sums adds up columns of lines by a key.
func sums(all []line, key func(line) string, columns ...string) map[string]map[string]*big.Rat {
	by := map[string]map[string]*big.Rat{}
	for _, l := range all {
		k := key(l)
		if by[k] == nil {
			by[k] = map[string]*big.Rat{}
		}
		for _, c := range columns {
			if by[k][c] == nil {
				by[k][c] = new(big.Rat)
			}
			by[k][c].Add(by[k][c], number(l[c]))
		}
	}
	return by
}

func whole(line) string { return "" }

// bucket is the begin of the bucket of a window, in seconds as the board has it.
func bucket(length time.Duration) func(line) string {
	return func(l line) string { return fmt.Sprint(l.at("window_start").Truncate(length).Unix()) }
}

func of(column string) func(line) string { return func(l line) string { return l[column] } }

// both joins two keys.
func both(a, b func(line) string) func(line) string {
	return func(l line) string { return a(l) + " " + b(l) }
}

// percent is 100 a/b with two decimals.
func percent(a, b *big.Rat) string { return ratio(new(big.Rat).Mul(a, big.NewRat(100, 1)), b) }

// ratio is a/b with two decimals.
func ratio(a, b *big.Rat) string {
	if b.Sign() == 0 {
		return "0"
	}
	return new(big.Rat).Quo(a, b).FloatString(2)
}

// expected are rows by key, with the values of columns.
type expected map[string]map[string]string

func (e expected) set(key, column, value string) {
	if e[key] == nil {
		e[key] = map[string]string{}
	}
	e[key][column] = value
}

// renamed are sums with the names of the columns of a panel.
func renamed(from map[string]map[string]*big.Rat, names map[string]string) expected {
	e := expected{}
	for key, row := range from {
		for column, name := range names {
			e.set(key, name, row[column].RatString())
		}
	}
	return e
}

// differences between a panel's answer and what is expected of it. Keys are the values of
// the key columns, joined by a blank; times are seconds without a fraction. Exactly says
// that no other rows may be there.
func (e expected) differences(panel string, a *answer, keys []string, exactly bool) (faults []string) {
	if a == nil {
		return []string{panel + ": no answer"}
	}
	at := func(row int, column string) string {
		i := slices.Index(a.columns, column)
		if i < 0 {
			return "no such column"
		}
		return a.rows[row][i].String
	}
	found := map[string]bool{}
	for i := range a.rows {
		var parts []string
		for _, k := range keys {
			v := at(i, k)
			if k == "time" {
				v, _, _ = strings.Cut(v, ".")
			}
			parts = append(parts, v)
		}
		key := strings.Join(parts, " ")
		found[key] = true
		if e[key] == nil && exactly {
			faults = append(faults, fmt.Sprintf("%s: row %q should not be there", panel, key))
		}
		for column, want := range e[key] {
			got := at(i, column)
			if got != want && number(got).Cmp(number(want)) != 0 || got == "no such column" {
				faults = append(faults, fmt.Sprintf("%s: %q of row %q is %s, want %s", panel, column, key, got, want))
			}
		}
	}
	for key := range e {
		if !found[key] {
			faults = append(faults, fmt.Sprintf("%s: row %q is missing", panel, key))
		}
	}
	if len(e) == 0 {
		faults = append(faults, panel+": the oracle has nothing to compare")
	}
	return faults
}

// answers are those of a board by the panel's title, and the number of the query.
type answers map[string]*answer

func byTitle(all []asked) answers {
	found := answers{}
	for _, a := range all {
		if a.panel == nil {
			continue
		}
		key := fmt.Sprintf("%s/%s", a.panel.Type, *a.panel.Title)
		for found[key] != nil {
			key += "+"
		}
		found[key] = a.answer
	}
	return found
}

// newest is the begin of the newest window of a view.
func newest(all []line) (last time.Time) {
	for _, l := range all {
		if at := l.at("window_start"); at.After(last) {
			last = at
		}
	}
	return last
}

// lastHour are the lines of the last hour of data.
func lastHour(all []line) []line {
	since := newest(all).Add(-time.Hour)
	return slices.DeleteFunc(slices.Clone(all), func(l line) bool { return !l.at("window_start").After(since) })
}

var stageNames = map[string]string{
	"total_orders": "Orders placed", "orders_with_items": "With items", "orders_with_payment": "With approved payment",
}

func stageColumns() []string { return slices.Sorted(maps.Keys(stageNames)) }

// funnel compares the board of the funnel. Buckets are as long as length.
func (w *truth) funnel(a answers, length time.Duration) (faults []string) {
	all := w.lines(golden.Funnel)
	total := sums(all, whole, stageColumns()...)
	orders, items, paid := total[""]["total_orders"], total[""]["orders_with_items"], total[""]["orders_with_payment"]
	compare := func(e expected, panel string, keys ...string) {
		faults = append(faults, e.differences(panel, a[panel], keys, true)...)
	}
	compare(renamed(total, stageNames), "bargauge/Funnel")
	compare(expected{"": {"Orders with items": percent(items, orders), "Orders paid": percent(paid, orders)}}, "stat/Conversion")
	lost, lostLater := new(big.Rat).Sub(orders, items), new(big.Rat).Sub(items, paid)
	words := "Items: " + thousands(lost) + " of " + thousands(orders) + " orders get none (" + percent(lost, orders) + " %)"
	if lost.Cmp(lostLater) < 0 {
		words = "Payment: " + thousands(lostLater) + " of " + thousands(items) + " orders with items get no approved one (" + percent(lostLater, items) + " %)"
	}
	compare(expected{"": {"bottleneck": words}}, "stat/Bottleneck")
	compare(renamed(sums(all, whole, "dropped_after_order", "dropped_after_items", "paid_without_items"), map[string]string{
		"dropped_after_order": "No items", "dropped_after_items": "Items, no payment", "paid_without_items": "Paid, no items",
	}), "stat/Lost on the way")
	compare(renamed(sums(all, bucket(length), stageColumns()...), stageNames), "timeseries/Orders by stage", "time")
	compare(renamed(sums(lastHour(all), whole, stageColumns()...), stageNames), "bargauge/Funnel of the last hour")
	return faults
}

// thousands writes a whole number with commas.
func thousands(n *big.Rat) string {
	digits := n.FloatString(0)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// gmv compares the board of GMV.
func (w *truth) gmv(a answers, length time.Duration) (faults []string) {
	all := w.lines(golden.GMV)
	for _, l := range all {
		l["freight"] = new(big.Rat).Sub(number(l["gmv"]), number(l["item_revenue"])).FloatString(2)
	}
	compare := func(e expected, panel string, keys ...string) {
		faults = append(faults, e.differences(panel, a[panel], keys, true)...)
	}
	names := map[string]string{"item_revenue": "Item revenue", "freight": "Freight"}
	total := sums(all, whole, "gmv", "item_revenue", "freight", "item_count", "unique_orders")
	compare(renamed(total, map[string]string{"gmv": "GMV", "item_revenue": "Item revenue", "freight": "Freight"}), "stat/GMV")
	items := renamed(total, map[string]string{"item_count": "Items", "unique_orders": "Orders"})
	items.set("", "Average price", ratio(total[""]["item_revenue"], total[""]["item_count"]))
	compare(items, "stat/Items")
	compare(renamed(sums(all, bucket(length), "item_revenue", "freight"), names), "timeseries/GMV", "time")

	compare(largest(sums(w.lines(golden.CategoryGMV), of("product_category"), "gmv"), 12), "bargauge/Top categories", "Category")
	last := expected{}
	for _, l := range w.lines(golden.LastCategories) {
		if len(last) < 10 {
			last[l["product_category"]] = map[string]string{"Rank": l["rank"], "GMV": l["gmv"], "Share": l["gmv_share"], "Items": l["item_count"]}
		}
	}
	compare(last, "table/Categories of the last 7 days of data", "Category")
	return append(faults, w.states(a)...)
}

// states compares sales and deliveries by state.
func (w *truth) states(a answers) (faults []string) {
	states := sums(w.lines(golden.StateGMV), of("customer_state"), "gmv", "total_orders", "orders_with_items")
	late := sums(w.lines(golden.Delivery), of("customer_state"), "late_orders", "promised_orders")
	e := renamed(states, map[string]string{"gmv": "GMV", "total_orders": "Orders"})
	for state, n := range states {
		if n["orders_with_items"].Sign() > 0 {
			e.set(state, "Average order", ratio(n["gmv"], n["orders_with_items"]))
		}
		if late[state]["promised_orders"].Sign() > 0 {
			e.set(state, "Late", percent(late[state]["late_orders"], late[state]["promised_orders"]))
		}
	}
	return e.differences("States", a["table/States: sales and deliveries"], []string{"State"}, true)
}

// largest are the n largest sums of GMV.
func largest(by map[string]map[string]*big.Rat, n int) expected {
	keys := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		if c := by[b]["gmv"].Cmp(by[a]["gmv"]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	e := expected{}
	for _, key := range keys[:min(n, len(keys))] {
		e.set(key, "GMV", by[key]["gmv"].RatString())
	}
	return e
}

// dropOff compares the board of the drop-off.
func (w *truth) dropOff(a answers, length time.Duration) (faults []string) {
	all := w.lines(golden.DropOff)
	compare := func(e expected, panel string, keys ...string) {
		faults = append(faults, e.differences(panel, a[panel], keys, true)...)
	}
	total := sums(all, whole, "total_orders", "dropped_orders", "pending_orders", "unique_customers_affected")
	orders := total[""]["total_orders"]
	head := renamed(total, map[string]string{"dropped_orders": "Dropped", "pending_orders": "Pending", "unique_customers_affected": "Customers affected"})
	head.set("", "Drop rate", percent(total[""]["dropped_orders"], orders))
	compare(head, "stat/Drop-off")
	statuses := sums(all, of("order_status"), "total_orders", "dropped_orders", "unique_customers_affected")
	rows := renamed(statuses, map[string]string{"total_orders": "Orders", "dropped_orders": "Dropped", "unique_customers_affected": "Customers"})
	for status, n := range statuses {
		rows.set(status, "Rate", percent(n["dropped_orders"], orders))
	}
	compare(rows, "table/Statuses", "Status")
	compare(renamed(sums(all, both(bucket(length), of("order_status")), "dropped_orders"), map[string]string{"dropped_orders": "Dropped"}),
		"timeseries/Dropped orders by status", "time", "metric")
	compare(expected{"": {"In the range": fmt.Sprint(w.alerts)}}, "stat/Alerts")

	slices.SortFunc(all, func(a, b line) int {
		if c := b.at("window_start").Compare(a.at("window_start")); c != 0 {
			return c
		}
		return strings.Compare(a["order_status"], b["order_status"])
	})
	samples := expected{}
	for _, l := range all {
		for _, id := range strings.Split(strings.Trim(l["sample_order_ids"], "[]"), ",") {
			if id = strings.Trim(id, `"`); id != "" && len(samples) < 200 {
				samples[id] = map[string]string{"Status": l["order_status"], "Dropped in the hour": l["dropped_orders"], "Above the threshold": l["alert_triggered"]}
			}
		}
	}
	compare(samples, "table/Sample orders", "Order")
	return faults
}

// payments compares the board of payments.
func (w *truth) payments(a answers, length time.Duration) (faults []string) {
	all := w.lines(golden.Payments)
	compare := func(e expected, panel string, keys ...string) {
		faults = append(faults, e.differences(panel, a[panel], keys, true)...)
	}
	columns := []string{"payment_count", "total_value", "successful_orders", "failed_orders"}
	total, methods := sums(all, whole, columns...)[""], sums(all, of("payment_type"), columns...)
	installments := map[string]*big.Rat{}
	for _, e := range w.events {
		if e.Kind == golden.Payment {
			if installments[e.Type] == nil {
				installments[e.Type] = new(big.Rat)
			}
			installments[e.Type].Add(installments[e.Type], big.NewRat(e.Installments, 1))
		}
	}
	rows := renamed(methods, map[string]string{"payment_count": "Payments", "total_value": "Value", "failed_orders": "Failed"})
	for method, n := range methods {
		rows.set(method, "Share", percent(n["total_value"], total["total_value"]))
		rows.set(method, "Average", ratio(n["total_value"], n["payment_count"]))
		rows.set(method, "Success rate", percent(n["successful_orders"], n["payment_count"]))
		rows.set(method, "Instalments", ratio(installments[method], n["payment_count"]))
	}
	compare(rows, "table/Methods", "Method")
	compare(expected{"": {
		"Value": total["total_value"].RatString(), "Payments": total["payment_count"].RatString(), "Average": ratio(total["total_value"], total["payment_count"]),
	}}, "stat/Value")
	compare(renamed(methods, map[string]string{"total_value": "Value"}), "piechart/Share of value", "Method")
	compare(renamed(sums(all, both(bucket(length), of("payment_type")), "total_value"), map[string]string{"total_value": "Value"}),
		"timeseries/Value by method", "time", "metric")
	last := renamed(sums(lastHour(all), of("payment_type"), "payment_count", "total_value"), map[string]string{"payment_count": "Payments", "total_value": "Value"})
	compare(last, "table/The last hour of data", "Method")
	return faults
}

// board compares the board of that uid, with its answers in buckets of this length.
func (w *truth) board(uid string, all []asked, length time.Duration) []string {
	a := byTitle(all)
	switch uid {
	case "tidemark-funnel":
		return w.funnel(a, length)
	case "tidemark-gmv":
		return w.gmv(a, length)
	case "tidemark-drop-off":
		return w.dropOff(a, length)
	case "tidemark-payments":
		return w.payments(a, length)
	case "tidemark-health":
		return w.deadLetters(a)
	}
	return []string{"nothing is known of the board " + uid}
}

// lost is how many children found no order in time.
func (w *truth) lost() (n int64) {
	for _, c := range golden.Children(w.events, golden.Defaults()) {
		n += c.Outside + c.Orphans
	}
	return n
}

// deadLetters compares the part of the board of health that asks Postgres.
func (w *truth) deadLetters(a answers) []string {
	var n int64
	if letters := a["table/Dead letters"]; letters != nil {
		for i, stream := range letters.values("Stream") {
			if stream == "tidemark-funnel" {
				n += number(letters.values("Events")[i]).Num().Int64()
			}
		}
	}
	if want := w.lost(); n != want {
		return []string{fmt.Sprintf("Dead letters: %d of the funnel, want %d", n, want)}
	}
	return nil
}

// read is how many events each stream reads.
func (w *truth) read() map[string]int64 {
	n := map[string]int64{}
	for _, e := range w.events {
		n["tidemark-funnel"]++
		switch e.Kind {
		case golden.Order:
			n["tidemark-dimensions"]++
		case golden.Item:
			n["tidemark-dimensions"]++
			n["tidemark-gmv"]++
		case golden.Payment:
			n["tidemark-payments"]++
		}
	}
	return n
}

// health compares what Prometheus says of streams that have read everything, in three tasks each.
func (w *truth) health(ctx context.Context, p *kit.Prometheus, s *screen) (faults []string) {
	values := func(title string, key ...string) map[string]string {
		found := map[string]string{}
		for _, panel := range s.board.panels() {
			if *panel.Title != title {
				continue
			}
			result, err := evaluate(ctx, p, s, panel.Targets[0].(*promsdk.Dataquery))
			if err != nil {
				faults = append(faults, fmt.Sprintf("%s: %v", title, err))
			}
			for _, series := range result {
				var parts []string
				for _, k := range key {
					parts = append(parts, series.Metric[k])
				}
				found[strings.Join(parts, " ")] = series.last()
			}
		}
		return found
	}
	compare := func(panel, key, got, want string) {
		if got != want {
			faults = append(faults, fmt.Sprintf("%s: %q is %s, want %s", panel, key, got, want))
		}
	}
	read := w.read()
	compare("Tasks", "running", values("Tasks", "state")["running"], fmt.Sprint(3*len(read)))
	compare("Lag", "", values("Lag")[""], "0")
	compare("Not accounted for", "", values("Not accounted for")[""], "0")
	account := values("Account", "stream", "operator", "outcome")
	for stream, n := range read {
		key := stream + " input passed"
		compare("Account", key, account[key], fmt.Sprint(n))
	}
	var lost int64
	for key, v := range account {
		if strings.HasPrefix(key, "tidemark-funnel orders ") && (strings.HasSuffix(key, " late") || strings.HasSuffix(key, " orphan")) {
			lost += number(v).Num().Int64()
		}
	}
	compare("Account", "late and orphan at the join", fmt.Sprint(lost), fmt.Sprint(w.lost()))
	return faults
}
