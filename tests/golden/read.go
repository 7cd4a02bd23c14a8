package golden

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The files that Read expects in its folder.
const (
	OrdersFile   = "olist_orders_dataset.csv"
	ItemsFile    = "olist_order_items_dataset.csv"
	PaymentsFile = "olist_order_payments_dataset.csv"
)

// Selection says which orders of the files to take, with all their items and payments.
type Selection struct {
	// StartFrom takes the orders purchased at or after it; the zero time takes all.
	StartFrom time.Time
	// Limit takes the first orders by purchase time, ties in file order; 0 takes all.
	Limit int
	// Location is the zone of the times in the files; nil is UTC.
	Location *time.Location
}

// Reject is a row that breaks the rules: an id, status or payment type that is
// missing, a time or number that does not parse, a negative amount, an item or
// payment whose order is not in the files.
type Reject struct {
	File   string
	Line   int
	Reason string
}

// Read turns the CSV files of a folder into events in sending order. Rejected
// rows are returned beside them, those of orders outside the selection included.
// A missing file, header or column is an error.
func Read(dir string, sel Selection) ([]Event, []Reject, error) {
	r := reader{dir: dir, zone: sel.Location, orders: map[string]header{}}
	if r.zone == nil {
		r.zone = time.UTC
	}
	err := r.file(OrdersFile, r.order, "order_id", "customer_id", "order_status", "order_purchase_timestamp",
		"order_approved_at", "order_estimated_delivery_date")
	if err != nil {
		return nil, nil, err
	}
	if err := r.file(ItemsFile, r.item, "order_id", "order_item_id", "price", "freight_value"); err != nil {
		return nil, nil, err
	}
	err = r.file(PaymentsFile, r.payment, "order_id", "payment_sequential", "payment_type",
		"payment_installments", "payment_value")
	if err != nil {
		return nil, nil, err
	}
	chosen := r.choose(sel)
	events := slices.DeleteFunc(r.events, func(e Event) bool { return !chosen[e.OrderID] })
	Sort(events)
	return events, r.rejects, nil
}

// header is what the children of an order take from it.
type header struct {
	position int // among the orders, in file order
	placed   time.Time
	approved time.Time // zero: never
}

type reader struct {
	dir     string
	zone    *time.Location
	orders  map[string]header
	events  []Event
	rejects []Reject
}

func (r *reader) choose(sel Selection) map[string]bool {
	ids := slices.SortedFunc(maps.Keys(r.orders), func(a, b string) int {
		if c := r.orders[a].placed.Compare(r.orders[b].placed); c != 0 {
			return c
		}
		return r.orders[a].position - r.orders[b].position
	})
	ids = slices.DeleteFunc(ids, func(id string) bool { return r.orders[id].placed.Before(sel.StartFrom) })
	if sel.Limit > 0 && sel.Limit < len(ids) {
		ids = ids[:sel.Limit]
	}
	chosen := map[string]bool{}
	for _, id := range ids {
		chosen[id] = true
	}
	return chosen
}

// file calls row with the wanted columns of each row of a CSV file and notes the
// rows that it refuses.
func (r *reader) file(name string, row func([]string) error, want ...string) error {
	f, err := os.Open(filepath.Join(r.dir, name))
	if err != nil {
		return fmt.Errorf("read dataset: %w", err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	names, err := in.Read()
	if err != nil {
		return fmt.Errorf("read header of %s: %w", name, err)
	}
	names[0] = strings.TrimPrefix(names[0], "\ufeff")
	at := make([]int, len(want))
	for i, w := range want {
		if at[i] = slices.Index(names, w); at[i] < 0 {
			return fmt.Errorf("%s has no column %s", name, w)
		}
	}
	picked := make([]string, len(want))
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			r.rejects = append(r.rejects, Reject{name, broken.StartLine, broken.Err.Error()})
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		for i, j := range at {
			picked[i] = fields[j]
		}
		if err := row(picked); err != nil {
			line, _ := in.FieldPos(0)
			r.rejects = append(r.rejects, Reject{name, line, err.Error()})
		}
	}
}

func (r *reader) order(f []string) error {
	id, customer, status := f[0], f[1], f[2]
	if id == "" || customer == "" || status == "" {
		return errors.New("order_id, customer_id or order_status is missing")
	}
	placed, err := r.time(f[3])
	if err != nil {
		return err
	}
	approved, err := r.optionalTime(f[4])
	if err != nil {
		return err
	}
	if _, err := r.optionalTime(f[5]); err != nil {
		return err
	}
	r.events = append(r.events, Event{Kind: Order, Time: placed, OrderID: id, Customer: customer, Status: status})
	if _, again := r.orders[id]; !again {
		r.orders[id] = header{len(r.orders), placed, approved}
	}
	return nil
}

func (r *reader) item(f []string) error {
	order, ok := r.orders[f[0]]
	if !ok {
		return fmt.Errorf("order %q is unknown", f[0])
	}
	n, err := strconv.ParseInt(f[1], 10, 32)
	if err != nil {
		return fmt.Errorf("order_item_id: %w", err)
	}
	price, err := parseCents(f[2])
	if err != nil {
		return err
	}
	freight, err := parseCents(f[3])
	if err != nil {
		return err
	}
	r.events = append(r.events, Event{Kind: Item, Time: order.placed, OrderID: f[0], N: n, Price: price, Freight: freight})
	return nil
}

func (r *reader) payment(f []string) error {
	order, ok := r.orders[f[0]]
	if !ok {
		return fmt.Errorf("order %q is unknown", f[0])
	}
	n, err := strconv.ParseInt(f[1], 10, 32)
	if err != nil {
		return fmt.Errorf("payment_sequential: %w", err)
	}
	if f[2] == "" {
		return errors.New("payment_type is missing")
	}
	installments, err := strconv.ParseUint(f[3], 10, 31)
	if err != nil {
		return fmt.Errorf("payment_installments: %w", err)
	}
	value, err := parseCents(f[4])
	if err != nil {
		return err
	}
	e := Event{
		Kind: Payment, Time: order.placed, OrderID: f[0], N: n,
		Type: f[2], Installments: int64(installments), Value: value,
	}
	if !order.approved.IsZero() {
		e.Time, e.Approved = order.approved, true
	}
	r.events = append(r.events, e)
	return nil
}

func (r *reader) time(s string) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateTime, s, r.zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time", s)
	}
	return t.UTC(), nil
}

func (r *reader) optionalTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return r.time(s)
}
