package console

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// keepWindows bounds the windows that are remembered of an operator.
	keepWindows = 1024
	// viewRows is how many rows of a table a view of Rows has.
	viewRows = 40
	// lastHour is what the table of payments covers, in data time.
	lastHour = time.Hour
	// alertAbove is how many dropped orders a window may have without an alert; with
	// Postgres its table of rules says so.
	alertAbove = 5
)

// Partial is what one task says of one window and group: a row of an operator.
type Partial struct {
	Stream    string
	Task      string
	Operator  string
	Watermark time.Time // of the task, zero where it is not known
	Fields    map[string]any
}

// Rows makes views of the rows that the tasks of this process emit, for streams that
// write to no database. It remembers the newest windows of the shipped operators and
// adds up what the tasks say of them, as the views in Postgres do.
type Rows struct {
	mu        sync.Mutex
	operators map[string]*operator
	streams   map[string]*progress
	letters   int64
}

type progress struct {
	tasks map[string]time.Time // their watermarks
	rows  int64
}

// operator holds, by window, group and task, the numbers of a row.
type operator struct {
	shape
	windows map[time.Time]map[string]map[string]numbers
}

type numbers map[string]*big.Rat

// shape is how the rows of an operator become a table.
type shape struct {
	Table
	cells  func(n numbers, window numbers) []string // of a row, and of all rows of its window
	alert  func(n numbers) bool
	recent time.Duration // rows of the windows that are that much newer than the newest are added up; 0 is each by itself
}

func shapes() map[string]shape {
	return map[string]shape{
		"funnel": {
			Table: Table{Name: "funnel", Columns: []Column{
				{Name: "orders"}, {Name: "with_items"}, {Name: "with_payment"},
				{Name: "items_rate", Title: "items %"}, {Name: "payment_rate", Title: "payment %"},
				{Name: "no_items"}, {Name: "no_payment"},
			}},
			cells: func(n, _ numbers) []string {
				orders, items, paid := n.of("total_orders"), n.of("orders_with_items"), n.of("orders_with_payment")
				return []string{
					whole(orders), whole(items), whole(paid), percent(items, orders), percent(paid, orders),
					whole(minus(orders, items)), whole(minus(items, paid)),
				}
			},
		},
		"gmv": {
			Table: Table{Name: "gmv", Columns: []Column{{Name: "gmv"}, {Name: "items"}, {Name: "orders"}, {Name: "avg_item_price"}}},
			cells: func(n, _ numbers) []string {
				revenue, items := n.of("item_revenue"), n.of("item_count")
				return []string{
					money(new(big.Rat).Add(revenue, n.of("freight"))), whole(items), whole(n.of("unique_orders")), money(ratio(revenue, items)),
				}
			},
		},
		"drop_off": {
			Table: Table{Name: "drop_off", Title: "drop-off", Group: "order_status", Columns: []Column{
				{Name: "orders"}, {Name: "dropped"}, {Name: "pending"}, {Name: "drop_rate", Title: "drop %"}, {Name: "customers"},
			}},
			cells: func(n, window numbers) []string {
				orders, dropped := n.of("total_orders"), n.of("dropped_orders")
				return []string{
					whole(orders), whole(dropped), whole(minus(minus(orders, n.of("complete_orders")), dropped)),
					percent(dropped, window.of("total_orders")), whole(n.of("customers_affected")),
				}
			},
			alert: func(n numbers) bool { return n.of("dropped_orders").Cmp(big.NewRat(alertAbove, 1)) > 0 },
		},
		"payments": {
			Table: Table{Name: "payments", Title: "payments, last hour", Group: "payment_type", Columns: []Column{
				{Name: "payments"}, {Name: "total_value"}, {Name: "avg_value"}, {Name: "success_rate", Title: "success %"},
			}},
			cells: func(n, _ numbers) []string {
				count, value := n.of("payment_count"), n.of("total_value")
				return []string{whole(count), money(value), money(ratio(value, count)), percent(n.of("successful_orders"), count)}
			},
			recent: lastHour,
		},
	}
}

// counted are operators of shipped streams that have no table: a day by category, state
// or seller would fill the screen.
var counted = []string{"categories", "sellers", "states", "deliveries"}

// tableOrder is that in which a view has the tables.
var tableOrder = []string{"funnel", "gmv", "drop_off", "payments"}

// NewRows makes an empty one.
func NewRows() *Rows {
	r := &Rows{operators: map[string]*operator{}, streams: map[string]*progress{}}
	for name, s := range shapes() {
		r.operators[name] = &operator{shape: s, windows: map[time.Time]map[string]map[string]numbers{}}
	}
	return r
}

// Letter counts a dead letter.
func (r *Rows) Letter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letters++
}

// Add takes a row in place of the one before it of the same task, window and group. It
// tells whether rows of that operator are shown by a table or left out on purpose.
func (r *Rows) Add(p Partial) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[p.Stream]
	if s == nil {
		s = &progress{tasks: map[string]time.Time{}}
		r.streams[p.Stream] = s
	}
	s.rows++
	if !p.Watermark.IsZero() {
		s.tasks[p.Task] = p.Watermark
	}
	o := r.operators[p.Operator]
	window, ok := p.Fields["window_start"].(time.Time)
	if o == nil || !ok {
		return slices.Contains(counted, p.Operator)
	}
	group, _ := p.Fields[o.Group].(string)
	groups := o.windows[window]
	if groups == nil {
		groups = map[string]map[string]numbers{}
		o.windows[window] = groups
	}
	if groups[group] == nil {
		groups[group] = map[string]numbers{}
	}
	groups[group][p.Stream+"/"+p.Task] = numbersOf(p.Fields)
	if len(o.windows) >= 2*keepWindows {
		for _, w := range o.newest()[keepWindows:] {
			delete(o.windows, w)
		}
	}
	return true
}

// View is what the rows have come to.
func (r *Rows) View() View {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := View{Letters: r.letters}
	for name, p := range r.streams {
		s := Stream{Name: name, Rows: p.rows}
		for _, w := range p.tasks {
			if s.Watermark.IsZero() || w.Before(s.Watermark) {
				s.Watermark = w
			}
		}
		v.Streams = append(v.Streams, s)
	}
	slices.SortFunc(v.Streams, func(a, b Stream) int { return strings.Compare(a.Name, b.Name) })
	for _, name := range tableOrder {
		v.Tables = append(v.Tables, r.operators[name].table())
	}
	return v
}

// newest are the windows that are remembered, the newest first.
func (o *operator) newest() []time.Time {
	list := make([]time.Time, 0, len(o.windows))
	for w := range o.windows {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b time.Time) int { return b.Compare(a) })
	return list
}

func (o *operator) table() Table {
	t := o.Table
	windows := o.newest()
	if o.recent > 0 {
		if len(windows) > 0 {
			t.Rows = o.rows(time.Time{}, o.sum(windows))
		}
		return t
	}
	for _, w := range windows[:min(viewRows, len(windows))] {
		t.Rows = append(t.Rows, o.rows(w, o.sum([]time.Time{w}))...)
	}
	t.Rows = t.Rows[:min(viewRows, len(t.Rows))]
	return t
}

// sum adds up, by group, windows that are not older than recent allows.
func (o *operator) sum(windows []time.Time) map[string]numbers {
	sums := map[string]numbers{}
	for _, w := range windows {
		if o.recent > 0 && windows[0].Sub(w) >= o.recent {
			break
		}
		for group, tasks := range o.windows[w] {
			if sums[group] == nil {
				sums[group] = numbers{}
			}
			for _, n := range tasks {
				sums[group].add(n)
			}
		}
	}
	return sums
}

// rows are those of a window, the groups with the largest second cell first: that is
// where the views have what matters most.
func (o *operator) rows(window time.Time, sums map[string]numbers) (list []Row) {
	all := numbers{}
	for _, n := range sums {
		all.add(n)
	}
	for group, n := range sums {
		list = append(list, Row{Window: window, Group: group, Cells: o.cells(n, all), Alert: o.alert != nil && o.alert(n)})
	}
	slices.SortFunc(list, func(a, b Row) int {
		for _, cell := range []int{1, 0} {
			x, _ := strconv.ParseFloat(a.Cells[cell], 64)
			y, _ := strconv.ParseFloat(b.Cells[cell], 64)
			if x != y {
				if x > y {
					return -1
				}
				return 1
			}
		}
		return strings.Compare(a.Group, b.Group)
	})
	return list
}

func numbersOf(fields map[string]any) numbers {
	n := numbers{}
	for name, value := range fields {
		switch v := value.(type) {
		case int64:
			n[name] = new(big.Rat).SetInt64(v)
		case json.Number:
			if exact, ok := new(big.Rat).SetString(v.String()); ok {
				n[name] = exact
			}
		}
	}
	return n
}

func (n numbers) add(other numbers) {
	for name, v := range other {
		n[name] = new(big.Rat).Add(n.of(name), v)
	}
}

func (n numbers) of(name string) *big.Rat {
	if v := n[name]; v != nil {
		return v
	}
	return new(big.Rat)
}

func minus(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }

// ratio is a/b, and 0 where there is nothing to divide by.
func ratio(a, b *big.Rat) *big.Rat {
	if b.Sign() == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).Quo(a, b)
}

func percent(a, b *big.Rat) string { return money(ratio(new(big.Rat).Mul(a, big.NewRat(100, 1)), b)) }

// money has two decimals, rounded half up.
func money(v *big.Rat) string { return v.FloatString(2) }

func whole(v *big.Rat) string { return v.FloatString(0) }
