package olistcsv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/cespare/xxhash/v2"

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
	ctx  context.Context
	fsys fs.FS
	opts Options
	data *Dataset
	// customers has the number of each customer's state, as a replay.Text.
	customers *replay.Dict
	// known has, for the id of every valid order, its place in Dataset.orders, or unselected.
	known *replay.Dict
	// repeated has the place of the first row of its order for rows that are not the first.
	repeated map[int32]int32
	words    *replay.Dict
}

const unselected = -1

// Load reads the files in fsys and selects orders with all their items and
// payments. Broken rows become Rejects, except those of orders that were not
// selected. A file that is missing or has the wrong header is an error.
func Load(ctx context.Context, fsys fs.FS, opts Options) (*Dataset, error) {
	for _, name := range []string{OrdersFile, ItemsFile, PaymentsFile} {
		if _, err := fs.Stat(fsys, name); err != nil {
			return nil, fileError(name, err)
		}
	}
	data := &Dataset{Files: map[string]string{}}
	if err := read(ctx, fsys, opts, data); err != nil {
		return nil, err
	}
	data.merge(opts.Injection) // the loader's own memory is free by now
	return data, nil
}

func read(ctx context.Context, fsys fs.FS, opts Options, data *Dataset) error {
	l := &loader{
		ctx: ctx, fsys: fsys, opts: opts, data: data, repeated: map[int32]int32{},
		customers: replay.NewDict(&data.texts), known: replay.NewDict(&data.texts), words: replay.NewDict(&data.texts),
	}
	for _, file := range []func() error{l.readCustomers, l.readOrders, l.readItems, l.readPayments, l.readProducts, l.readSellers} {
		if err := file(); err != nil {
			return err
		}
		if err := data.texts.Err(); err != nil {
			return err
		}
	}
	return nil
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
	digest := xxhash.New()
	t, err := replay.OpenTable(name, io.TeeReader(f, digest), columns...)
	if err != nil {
		return err
	}
	for {
		rec, err := t.Next()
		if errors.Is(err, io.EOF) {
			l.data.Files[name] = fmt.Sprintf("%016x", digest.Sum64())
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

// word returns the one copy of a text that occurs often, none of an empty one.
func (l *loader) word(s string) replay.Text {
	if s == "" {
		return 0
	}
	text, _, _ := l.words.Put(s)
	return text
}

func (l *loader) readOrders() error {
	err := l.each(OrdersFile, orderColumns, func(r *row, line int, text string) {
		id, customer, status := r.required(0), r.required(1), r.required(2)
		o := order{
			purchased: r.time(3), approved: r.optionalTime(4), estimate: r.optionalTime(5), delivered: r.optionalTime(6),
			line: number(int64(line)),
		}
		if r.rule != "" {
			l.reject(OrdersFile, line, r.rule, r.detail, text, o.purchased)
			return
		}
		here := int32(l.data.orders.Len())
		var place, state *int32
		var repeated bool
		if o.id, place, repeated = l.known.Put(id); repeated {
			l.repeated[here] = *place
		} else {
			*place = here
		}
		o.customer, state, _ = l.customers.Put(customer)
		o.state, o.status = replay.Text(*state), l.word(status)
		l.data.orders.Append(o)
	})
	l.customers = nil
	l.selectOrders()
	return err
}

// selectOrders keeps the selected orders, in file order. A repeated order is an
// event of its own but not an order of its own: it goes with the first row that
// has its id.
func (l *loader) selectOrders() {
	rows := &l.data.orders
	byTime := make([]int32, 0, rows.Len())
	for i := range int32(rows.Len()) {
		if _, repeated := l.repeated[i]; !repeated && rows.At(int(i)).purchased >= l.opts.StartFrom {
			byTime = append(byTime, i)
		}
	}
	if l.opts.Limit > 0 && len(byTime) > l.opts.Limit {
		slices.SortFunc(byTime, func(a, b int32) int {
			return cmp.Or(cmp.Compare(rows.At(int(a)).purchased, rows.At(int(b)).purchased), cmp.Compare(a, b))
		})
		byTime = byTime[:l.opts.Limit]
	}
	if len(byTime)+len(l.repeated) == rows.Len() {
		return // all
	}
	moved := make([]int32, rows.Len()) // to where each first row of an order goes
	for i := range moved {
		moved[i] = unselected
	}
	for _, i := range byTime {
		moved[i] = i
	}
	kept := 0 // in place: never ahead of the row that is read
	for i := range int32(rows.Len()) {
		first, repeated := l.repeated[i]
		if !repeated {
			first = i
		}
		if moved[first] == unselected {
			continue
		}
		if !repeated {
			moved[i] = int32(kept)
		}
		*rows.At(kept) = *rows.At(int(i))
		kept++
	}
	rows.Truncate(kept)
	l.known.Each(func(place *int32) { *place = moved[*place] })
}

// child finds the order of an item or payment, whose id stands in the first
// column. It returns false for a row that belongs to an order not selected.
func (l *loader) child(r *row) (place int32, at event.Time, selected bool) {
	id := r.required(0)
	_, place, ok := l.known.Get(id)
	if !ok {
		r.broken(RuleUnknownOrder, "order_id %s is not among the valid orders", shown(id))
		return 0, none, true
	}
	if place == unselected {
		return 0, none, false
	}
	return place, l.data.orders.At(int(place)).purchased, true
}

func (l *loader) readItems() error {
	return l.each(ItemsFile, itemColumns, func(r *row, line int, text string) {
		place, at, selected := l.child(r)
		if !selected {
			return
		}
		it := item{order: place, line: number(int64(line)), n: number(r.count(1, 1)), price: r.money(4), freight: r.money(5)}
		if r.rule != "" {
			l.reject(ItemsFile, line, r.rule, r.detail, text, at)
			return
		}
		it.product, it.seller = l.word(r.values[2]), l.word(r.values[3])
		l.data.items.Append(it)
	})
}

func (l *loader) readPayments() error {
	return l.each(PaymentsFile, paymentColumns, func(r *row, line int, text string) {
		place, at, selected := l.child(r)
		if !selected {
			return
		}
		method := r.required(2)
		p := payment{
			order: place, line: number(int64(line)), n: number(r.count(1, 1)),
			installments: number(r.count(3, 0)), value: r.money(4),
		}
		if r.rule != "" {
			if at != none {
				at, _ = l.data.orders.At(int(place)).paid()
			}
			l.reject(PaymentsFile, line, r.rule, r.detail, text, at)
			return
		}
		p.method = l.word(method)
		l.data.payments.Append(p)
	})
}
