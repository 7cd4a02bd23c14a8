package olistcsv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

// The files of a dataset. Orders, items and payments must be there; the others, see
// dimensions.go, add to the events where they are.
const (
	OrdersFile       = "olist_orders_dataset.csv"
	ItemsFile        = "olist_order_items_dataset.csv"
	PaymentsFile     = "olist_order_payments_dataset.csv"
	CustomersFile    = "olist_customers_dataset.csv"
	ProductsFile     = "olist_products_dataset.csv"
	SellersFile      = "olist_sellers_dataset.csv"
	TranslationsFile = "product_category_name_translation.csv"
)

// The columns that are read of each file. Their places in these lists are used below.
var (
	orderColumns = []string{
		"order_id", "customer_id", "order_status",
		"order_purchase_timestamp", "order_approved_at", "order_estimated_delivery_date", "order_delivered_customer_date?",
	}
	itemColumns    = []string{"order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value"}
	paymentColumns = []string{"order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"}
)

// loader holds what is needed only while the files are read.
type loader struct {
	ctx    context.Context
	fsys   fs.FS
	opts   Options
	data   *Dataset
	states map[string]string // customer id to state
	// known maps the id of every valid order to its place in Dataset.orders, or
	// to unselected.
	known  map[string]int32
	intern map[string]string
}

const unselected = -1

// Load reads the files in fsys and selects orders with all their items and
// payments. Broken rows become Rejects, except those of orders that were not
// selected. A file that is missing or has the wrong header is an error.
func Load(ctx context.Context, fsys fs.FS, opts Options) (*Dataset, error) {
	l := &loader{
		ctx: ctx, fsys: fsys, opts: opts, data: &Dataset{},
		states: map[string]string{}, known: map[string]int32{}, intern: map[string]string{},
	}
	for _, name := range []string{OrdersFile, ItemsFile, PaymentsFile} {
		if _, err := fs.Stat(fsys, name); err != nil {
			return nil, fileError(name, err)
		}
	}
	for _, read := range []func() error{l.customers, l.orders, l.items, l.payments, l.products, l.sellers} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	l.data.merge()
	return l.data, nil
}

func fileError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", name)
	}
	return err
}

// each calls fn for every readable row of a file; the others are rejected.
func (l *loader) each(name string, columns []string, fn func(r *row, line int, text string)) error {
	f, err := l.fsys.Open(name)
	if err != nil {
		return fileError(name, err)
	}
	defer f.Close()
	t, err := replay.OpenTable(name, f, columns...)
	if err != nil {
		return err
	}
	for {
		rec, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = l.ctx.Err()
		}
		if err != nil {
			return err
		}
		if rec.Err != nil {
			l.reject(name, rec.Line, RuleUnreadable, rec.Err.Error(), rec.Text, none)
			continue
		}
		r := row{values: rec.Values, columns: t.Columns(), validate: l.opts.Validate, loc: l.opts.Location}
		fn(&r, rec.Line, rec.Text)
	}
}

func (l *loader) reject(file string, line int, rule, detail, text string, at event.Time) {
	l.data.Rejects = append(l.data.Rejects, Reject{
		File: file, Line: line, Rule: rule, Detail: detail, Payload: shorten(text, maxPayload), Time: at,
	})
}

// same returns one copy of equal strings that does not hold on to the row's text.
func (l *loader) same(s string) string {
	if known, ok := l.intern[s]; ok {
		return known
	}
	s = strings.Clone(s)
	l.intern[s] = s
	return s
}

func (l *loader) orders() error {
	err := l.each(OrdersFile, orderColumns, func(r *row, line int, text string) {
		o := order{
			id: r.required(0), customer: r.required(1), status: r.required(2),
			purchased: r.time(3), approved: r.optionalTime(4), estimate: r.optionalTime(5), delivered: r.optionalTime(6),
			line: number(int64(line)),
		}
		if r.rule != "" {
			l.reject(OrdersFile, line, r.rule, r.detail, text, o.purchased)
			return
		}
		o.id, o.customer = strings.Clone(o.id), strings.Clone(o.customer)
		o.state, o.status = l.states[o.customer], l.same(o.status)
		l.data.orders = append(l.data.orders, o)
	})
	l.states = nil
	l.selectOrders()
	return err
}

// selectOrders keeps the selected orders, in file order. A repeated order is an
// event of its own but not an order of its own: it goes with the first row that
// has its id.
func (l *loader) selectOrders() {
	rows := l.data.orders
	byTime := make([]int32, 0, len(rows))
	for i := range rows {
		if _, repeated := l.known[rows[i].id]; repeated {
			continue
		}
		l.known[rows[i].id] = unselected
		if rows[i].purchased >= l.opts.StartFrom {
			byTime = append(byTime, int32(i))
		}
	}
	slices.SortFunc(byTime, func(a, b int32) int {
		return cmp.Or(cmp.Compare(rows[a].purchased, rows[b].purchased), cmp.Compare(a, b))
	})
	if l.opts.Limit > 0 && len(byTime) > l.opts.Limit {
		byTime = byTime[:l.opts.Limit]
	}
	for _, i := range byTime {
		l.known[rows[i].id] = i
	}
	kept := rows[:0] // in place: never ahead of the row that is read
	for i := range rows {
		first := l.known[rows[i].id]
		if first == unselected {
			continue
		}
		if first == int32(i) {
			l.known[rows[i].id] = int32(len(kept))
		}
		kept = append(kept, rows[i])
	}
	clear(rows[len(kept):]) // what was not selected is garbage
	l.data.orders = kept
}

// child finds the order of an item or payment, whose id stands in the first
// column. It returns false for a row that belongs to an order not selected.
func (l *loader) child(r *row) (place int32, at event.Time, selected bool) {
	id := r.required(0)
	place, ok := l.known[id]
	if !ok {
		r.broken(RuleUnknownOrder, "order_id %s is not among the valid orders", shown(id))
		return 0, none, true
	}
	if place == unselected {
		return 0, none, false
	}
	return place, l.data.orders[place].purchased, true
}

func (l *loader) items() error {
	return l.each(ItemsFile, itemColumns, func(r *row, line int, text string) {
		place, at, selected := l.child(r)
		if !selected {
			return
		}
		it := item{order: place, line: number(int64(line)), n: r.count(1, 1), price: r.money(4), freight: r.money(5)}
		if r.rule != "" {
			l.reject(ItemsFile, line, r.rule, r.detail, text, at)
			return
		}
		it.product, it.seller = l.same(r.values[2]), l.same(r.values[3])
		l.data.items = append(l.data.items, it)
	})
}

func (l *loader) payments() error {
	return l.each(PaymentsFile, paymentColumns, func(r *row, line int, text string) {
		place, at, selected := l.child(r)
		if !selected {
			return
		}
		p := payment{
			order: place, line: number(int64(line)), n: r.count(1, 1),
			method: r.required(2), installments: number(r.count(3, 0)), value: r.money(4),
		}
		if r.rule != "" {
			if at != none {
				at, _ = l.data.orders[place].paid()
			}
			l.reject(PaymentsFile, line, r.rule, r.detail, text, at)
			return
		}
		p.method = l.same(p.method)
		l.data.payments = append(l.data.payments, p)
	})
}
