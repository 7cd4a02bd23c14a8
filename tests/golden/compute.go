package golden

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// timeLayout writes the instants of rows; Load makes Postgres write the same.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// Compute returns the rows of every view for the events, in any order and with
// copies, each view sorted by its key.
func Compute(events []Event, o Options) Tables {
	events = distinct(events)
	placed, _ := join(events, o)
	t := Tables{
		Funnel:   funnel(placed),
		GMV:      gmv(events),
		DropOff:  dropOff(placed, o),
		Payments: payments(events),
		Hourly:   hourly(placed, events),
	}
	for _, v := range Views() {
		slices.SortFunc(t[v.Name], func(a, b Row) int { return slices.Compare(a[:v.Key], b[:v.Key]) })
	}
	return t
}

// window writes the bounds of the window of the given size that t lies in.
// Truncate counts from the year 1, whose start is a whole number of hours away from
// the Unix epoch, so minutes and hours are aligned to both.
func window(t time.Time, size time.Duration) [2]string {
	start := t.UTC().Truncate(size)
	return [2]string{start.Format(timeLayout), start.Add(size).Format(timeLayout)}
}

type cohort struct{ total, withItems, withPayment, paidOnly int64 }

func (c *cohort) add(o *order) {
	c.total++
	switch {
	case o.hasItem && o.hasPayment:
		c.withItems++
		c.withPayment++
	case o.hasItem:
		c.withItems++
	case o.hasPayment:
		c.paidOnly++
	}
}

// columns are the counts and rates that the funnel and its hourly summary share.
func (c *cohort) columns() Row {
	return Row{
		count(c.total), count(c.withItems), count(c.withPayment), count(c.paidOnly),
		percent(c.withItems, c.total), percent(c.withPayment, c.total),
		count(c.total - c.withItems), count(c.withItems - c.withPayment),
	}
}

func funnel(orders []*order) []Row {
	cohorts := map[[2]string]*cohort{}
	for _, o := range orders {
		at(cohorts, window(o.Time, time.Minute)).add(o)
	}
	var rows []Row
	for w, c := range cohorts {
		rows = append(rows, slices.Concat(Row{w[0], w[1]}, c.columns(), Row{"true"}))
	}
	return rows
}

func gmv(events []Event) []Row {
	type sums struct {
		revenue, freight, items int64
		orders                  map[string]bool
		most, least             int64
	}
	windows := map[[2]string]*sums{}
	for _, e := range events {
		if e.Kind != Item {
			continue
		}
		s := at(windows, window(e.Time, time.Minute))
		if s.items == 0 {
			s.orders, s.most, s.least = map[string]bool{}, e.Price, e.Price
		}
		s.items++
		s.revenue += e.Price
		s.freight += e.Freight
		s.orders[e.OrderID] = true
		s.most, s.least = max(s.most, e.Price), min(s.least, e.Price)
	}
	var rows []Row
	for w, s := range windows {
		rows = append(rows, Row{
			w[0], w[1], hundredths(s.revenue + s.freight), hundredths(s.revenue), count(s.items),
			count(len(s.orders)), ratio(s.revenue, 1, s.items), hundredths(s.most), hundredths(s.least), "true",
		})
	}
	return rows
}

func dropOff(orders []*order, opt Options) []Row {
	type key struct {
		window [2]string
		status string
	}
	type sums struct {
		total     int64
		dropped   []string
		customers map[string]bool
	}
	windows, totals := map[key]*sums{}, map[[2]string]int64{}
	for _, o := range orders {
		w := window(o.Time, time.Hour)
		totals[w]++
		s := at(windows, key{w, o.Status})
		s.total++
		if o.complete() {
			continue
		}
		if s.customers == nil {
			s.customers = map[string]bool{}
		}
		s.dropped = append(s.dropped, o.OrderID)
		s.customers[o.Customer] = true
	}
	var rows []Row
	for k, s := range windows {
		slices.Sort(s.dropped)
		dropped := int64(len(s.dropped))
		rows = append(rows, Row{
			k.window[0], k.window[1], k.status, count(s.total), count(dropped), "0", count(len(s.customers)),
			percent(dropped, totals[k.window]), strconv.FormatBool(dropped > opt.threshold(k.status)),
			array(s.dropped[:min(3, len(s.dropped))]),
		})
	}
	return rows
}

func payments(events []Event) []Row {
	type key struct {
		window [2]string
		typ    string
	}
	type sums struct {
		payments, value, installments, most, successful int64
		orders                                          map[string]bool
	}
	windows := map[key]*sums{}
	for _, e := range events {
		if e.Kind != Payment {
			continue
		}
		s := at(windows, key{window(e.Time, time.Minute), e.Type})
		if s.payments == 0 {
			s.orders, s.most = map[string]bool{}, e.Installments
		}
		s.payments++
		s.value += e.Value
		s.installments += e.Installments
		s.most = max(s.most, e.Installments)
		s.orders[e.OrderID] = true
		if e.Approved && e.Value > 0 && e.Type != "not_defined" {
			s.successful++
		}
	}
	var rows []Row
	for k, s := range windows {
		rows = append(rows, Row{
			k.window[0], k.window[1], k.typ, count(s.payments), count(s.payments), count(len(s.orders)),
			hundredths(s.value), hundredths(s.value), ratio(s.value, 1, s.payments),
			ratio(s.installments, 100, s.payments), count(s.most),
			count(s.successful), count(s.payments - s.successful), percent(s.successful, s.payments),
		})
	}
	return rows
}

func hourly(orders []*order, events []Event) []Row {
	type sums struct {
		cohort
		gmv, paid int64
	}
	hours := map[string]*sums{}
	for _, o := range orders {
		at(hours, window(o.Time, time.Hour)[0]).add(o)
	}
	for _, e := range events {
		s := at(hours, window(e.Time, time.Hour)[0])
		s.gmv += e.Price + e.Freight
		s.paid += e.Value
	}
	var rows []Row
	for hour, s := range hours {
		rows = append(rows, slices.Concat(Row{hour}, s.columns(), Row{hundredths(s.gmv), hundredths(s.paid)}))
	}
	return rows
}

// at returns the entry of a map, made on first use.
func at[K comparable, V any](m map[K]*V, k K) *V {
	v, ok := m[k]
	if !ok {
		v = new(V)
		m[k] = v
	}
	return v
}

func array(ss []string) string {
	b, _ := json.Marshal(append([]string{}, ss...)) // strings always marshal
	return string(b)
}

func count[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
