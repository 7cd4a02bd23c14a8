package golden

import (
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2018, 1, 1, 12, 0, 0, 0, time.UTC)

func placed(id string, at time.Time, status string) Event {
	return Event{Kind: Order, Time: at, OrderID: id, Customer: "c-" + id, Status: status}
}

func item(id string, n int64, at time.Time, price, freight int64) Event {
	return Event{Kind: Item, Time: at, OrderID: id, N: n, Price: price, Freight: freight}
}

func paid(id string, n int64, at time.Time, value int64) Event {
	return Event{
		Kind: Payment, Time: at, OrderID: id, N: n, Type: "credit_card", Installments: 1, Value: value, Approved: true,
	}
}

// cell is the value of a column in the view's only row.
func cell(t *testing.T, tables Tables, view, column string) string {
	t.Helper()
	if len(tables[view]) != 1 {
		t.Fatalf("%s has %d rows, want 1: %v", view, len(tables[view]), tables[view])
	}
	for _, v := range Views() {
		if v.Name == view {
			for i, c := range v.Columns {
				if c.Name == column {
					return tables[view][0][i]
				}
			}
		}
	}
	t.Fatalf("no column %s in %s", column, view)
	return ""
}

func TestBoundsAreInclusive(t *testing.T) {
	const week = 7 * 24 * time.Hour
	for _, c := range []struct {
		name   string
		offset time.Duration
		joins  bool
	}{
		{"same time", 0, true},
		{"an hour before", -time.Hour, true},
		{"just over an hour before", -time.Hour - time.Millisecond, false},
		{"a week after", week, true},
		{"just over a week after", week + time.Millisecond, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := []Event{
				placed("a", noon, "delivered"),
				item("a", 1, noon.Add(c.offset), 1000, 0),
				paid("a", 1, noon.Add(c.offset), 1000),
			}
			want, counts := "0", ChildCounts{Outside: 1}
			if c.joins {
				want, counts = "1", ChildCounts{Joined: 1}
			}
			tables := Compute(events, Defaults())
			for _, column := range []string{"orders_with_items", "orders_with_payment"} {
				if got := cell(t, tables, Funnel, column); got != want {
					t.Errorf("%s = %s, want %s", column, got, want)
				}
			}
			for kind, got := range Children(events, Defaults()) {
				if got != counts {
					t.Errorf("%s: %+v, want %+v", kind, got, counts)
				}
			}
			if got := cell(t, tables, GMV, "gmv"); got != "10" {
				t.Errorf("gmv = %s, want 10: it counts children outside the bounds too", got)
			}
			if got := cell(t, tables, Payments, "total_value"); got != "10" {
				t.Errorf("total_value = %s, want 10", got)
			}
		})
	}
}

func TestBoundsAreOptions(t *testing.T) {
	events := []Event{placed("a", noon, "delivered"), item("a", 1, noon.Add(time.Minute), 1, 0)}
	got := Children(events, Options{Within: time.Minute - time.Millisecond})[Item]
	if want := (ChildCounts{Outside: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestFunnel(t *testing.T) {
	unapproved := paid("unapproved", 1, noon, 500)
	unapproved.Approved = false
	tables := Compute([]Event{
		placed("complete", noon, "delivered"),
		paid("complete", 1, noon.Add(-time.Minute), 500), // payment before item
		item("complete", 1, noon, 500, 0),
		placed("bare", noon.Add(time.Second), "delivered"),
		placed("unapproved", noon.Add(59*time.Second), "delivered"),
		item("unapproved", 1, noon.Add(59*time.Second), 500, 0), unapproved,
		placed("paid only", noon, "delivered"),
		paid("paid only", 1, noon, 500),
		placed("next window", noon.Add(time.Minute), "delivered"),
	}, Defaults())
	want := []Row{
		{
			"2018-01-01T12:00:00.000000Z", "2018-01-01T12:01:00.000000Z",
			"4", "2", "1", "1", "50", "25", "2", "1", "true",
		},
		{
			"2018-01-01T12:01:00.000000Z", "2018-01-01T12:02:00.000000Z",
			"1", "0", "0", "0", "0", "0", "1", "0", "true",
		},
	}
	expect(t, Tables{Funnel: want}, Tables{Funnel: tables[Funnel]})
}

func TestCopiesCountOnce(t *testing.T) {
	again := placed("a", noon.Add(time.Minute), "canceled")
	again.ID = "another id"
	events := []Event{
		placed("a", noon, "delivered"), placed("a", noon, "delivered"), again,
		item("a", 1, noon, 100, 10), item("a", 1, noon, 100, 10), item("a", 2, noon, 100, 10),
		paid("a", 1, noon, 220), paid("a", 1, noon, 220),
	}
	once := []Event{events[0], events[3], events[5], events[6]}
	expect(t, Compute(once, Defaults()), Compute(events, Defaults()))
	if got := Children(events, Defaults())[Item].Joined; got != 2 {
		t.Errorf("%d items joined, want 2", got)
	}
}

func TestOrphansCountInGMVAndPaymentsOnly(t *testing.T) {
	events := []Event{item("nobody's", 1, noon, 1000, 250), paid("nobody's", 1, noon, 1250)}
	tables := Compute(events, Defaults())
	if len(tables[Funnel])+len(tables[DropOff]) != 0 {
		t.Errorf("orphans made rows: %v %v", tables[Funnel], tables[DropOff])
	}
	for column, want := range map[string]string{"total_orders": "0", "gmv": "12.5", "total_payment_value": "12.5"} {
		if got := cell(t, tables, Hourly, column); got != want {
			t.Errorf("hourly %s = %s, want %s", column, got, want)
		}
	}
	for kind, got := range Children(events, Defaults()) {
		if want := (ChildCounts{Orphans: 1}); got != want {
			t.Errorf("%s: %+v, want %+v", kind, got, want)
		}
	}
}

func TestGMV(t *testing.T) {
	tables := Compute([]Event{
		placed("a", noon, "delivered"),
		item("a", 1, noon, 1000, 1), item("a", 2, noon, 1001, 2), item("b", 1, noon, 5, 0),
	}, Defaults())
	expect(t, Tables{GMV: {{
		"2018-01-01T12:00:00.000000Z", "2018-01-01T12:01:00.000000Z",
		"20.09", "20.06", "3", "2", "6.69", "10.01", "0.05", "true", // 20.06 / 3 = 6.686…
	}}}, Tables{GMV: tables[GMV]})
}

func TestDropOff(t *testing.T) {
	var events []Event
	add := func(id, status string, complete bool) {
		at := noon.Add(time.Duration(len(events)) * time.Minute)
		events = append(events, placed(id, at, status))
		if complete {
			events = append(events, item(id, 1, at, 1, 0), paid(id, 1, at, 1))
		}
	}
	for _, id := range []string{"f", "e", "d", "c", "b", "a"} {
		add(id, "shipped", false)
	}
	add("g", "shipped", true)
	add("h", "canceled", true) // dropped at once, whatever it has
	add("i", "delivered", true)
	events[1].Customer = events[0].Customer
	const from, to = "2018-01-01T12:00:00.000000Z", "2018-01-01T13:00:00.000000Z"
	want := Tables{DropOff: {
		{from, to, "canceled", "1", "1", "0", "1", "11.11", "false", `["h"]`},
		{from, to, "delivered", "1", "0", "0", "0", "0", "false", `[]`},
		{from, to, "shipped", "7", "6", "0", "5", "66.67", "true", `["a","b","c"]`},
	}}
	expect(t, want, Tables{DropOff: Compute(events, Defaults())[DropOff]})

	o := Defaults()
	o.Thresholds = map[string]int64{"*": 0, "shipped": 6}
	want[DropOff][0][8], want[DropOff][2][8] = "true", "false"
	expect(t, want, Tables{DropOff: Compute(events, o)[DropOff]})
}

func TestPayments(t *testing.T) {
	approved, refused, undefined, free := paid("a", 1, noon, 1000), paid("a", 2, noon, 500), paid("b", 1, noon, 1), paid("b", 2, noon, 0)
	approved.Installments, refused.Approved, undefined.Type = 4, false, "not_defined"
	tables := Compute([]Event{approved, refused, undefined, free}, Defaults())
	const from, to = "2018-01-01T12:00:00.000000Z", "2018-01-01T12:01:00.000000Z"
	expect(t, Tables{Payments: {
		{from, to, "credit_card", "3", "3", "2", "15", "15", "5", "2", "4", "1", "2", "33.33"},
		{from, to, "not_defined", "1", "1", "1", "0.01", "0.01", "0.01", "1", "1", "0", "1", "0"},
	}}, Tables{Payments: tables[Payments]})
}

func TestHourlySpansOrdersItemsAndPayments(t *testing.T) {
	tables := Compute([]Event{
		placed("a", noon, "delivered"), item("a", 1, noon, 100, 20),
		paid("a", 1, noon.Add(2*time.Hour), 120),
	}, Defaults())
	expect(t, Tables{Hourly: {
		{"2018-01-01T12:00:00.000000Z", "1", "1", "1", "0", "100", "100", "0", "0", "1.2", "0"},
		{"2018-01-01T14:00:00.000000Z", "0", "0", "0", "0", "0", "0", "0", "0", "0", "1.2"},
	}}, Tables{Hourly: tables[Hourly]})
}

func TestSortBreaksTiesByKindThenPosition(t *testing.T) {
	events := []Event{
		paid("a", 1, noon, 1), item("a", 2, noon, 1, 0), item("a", 1, noon, 1, 0), placed("a", noon, "x"),
		placed("b", noon.Add(-time.Second), "x"),
	}
	Sort(events)
	var got []string
	for _, e := range events {
		got = append(got, e.id())
	}
	want := []string{
		"olist.orders/b/0", "olist.orders/a/0", "olist.order_items/a/2", "olist.order_items/a/1", "olist.payments/a/1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSum(t *testing.T) {
	tables := Compute([]Event{item("a", 1, noon, 10, 0), item("a", 2, noon.Add(time.Hour), 5, 0)}, Defaults())
	if got, err := tables.Sum(GMV, "gmv"); err != nil || got != "0.15" {
		t.Errorf("got %s, %v, want 0.15", got, err)
	}
	if _, err := tables.Sum(GMV, "window_start"); err == nil {
		t.Error("no error for a column of times")
	}
}

func expect(t *testing.T, want, got Tables) {
	t.Helper()
	for _, line := range Diff(want, got) {
		t.Error(line)
	}
}
