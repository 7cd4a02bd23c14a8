// Package olistcsv replays the CSV files of the Olist data as events.
package olistcsv

import (
	"sort"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

// Options say what to replay.
type Options struct {
	// Validate rejects rows that break the rules; without it only rows that no
	// event can be made of are rejected.
	Validate bool
	// StartFrom leaves out orders purchased before it; event.MinTime leaves out none.
	StartFrom event.Time
	// Limit keeps the first orders by purchase time only; 0 keeps all.
	Limit int
	// Location is the time zone of the times in the files.
	Location *time.Location
	// Injection is what to disturb.
	Injection replay.Injection
}

// Dataset is what was selected from the files, in the order of sending. A row takes
// 32 to 56 bytes and its ids 17 each, with 16 bytes for each time that it is sent.
type Dataset struct {
	texts    replay.Texts
	orders   replay.Rows[order]
	items    replay.Rows[item]
	payments replay.Rows[payment]
	refs     []replay.Ref
	// first and last are the smallest and the largest event time, none without events.
	first, last event.Time
	shift       event.Duration
	// What the other files tell of products and sellers by their ids.
	categories, sellerStates map[replay.Text]replay.Text
	// Rejects are the rows that no event is sent for, in file order.
	Rejects []Reject
	// Files are the files that were read, each with a digest of all its bytes.
	Files map[string]string
}

// none stands for a time that is absent.
const none = event.MinTime

type order struct {
	purchased, approved, estimate, delivered event.Time // none where absent
	id, customer, state, status              replay.Text
	line                                     int32
}

type item struct {
	price, freight  int64 // cents
	order           int32 // place in Dataset.orders
	line, n         int32
	product, seller replay.Text
}

type payment struct {
	value                 int64 // cents
	order                 int32 // place in Dataset.orders
	line, n, installments int32
	method                replay.Text
}

// Sources, in the order of ties.
const (
	sourceOrders = iota
	sourceItems
	sourcePayments
)

// paid is the event time of a payment and its status.
func (o *order) paid() (event.Time, string) {
	if o.approved == none {
		return o.purchased, "unapproved"
	}
	return o.approved, "approved"
}

// timeOf is the event time of a record as the files have it.
func (d *Dataset) timeOf(r replay.Ref) event.Time {
	switch r.Source {
	case sourceOrders:
		return d.orders.At(int(r.Row)).purchased
	case sourceItems:
		return d.orders.At(int(d.items.At(int(r.Row)).order)).purchased
	}
	at, _ := d.orders.At(int(d.payments.At(int(r.Row)).order)).paid()
	return at
}

// merge puts all events in the order of sending.
func (d *Dataset) merge(in replay.Injection) {
	n := d.orders.Len() + d.items.Len() + d.payments.Len()
	d.refs = make([]replay.Ref, 0, in.Room(n))
	for source, rows := range []int{d.orders.Len(), d.items.Len(), d.payments.Len()} {
		for i := range rows {
			r := replay.Ref{Row: int32(i), Source: uint8(source)}
			r.At = d.timeOf(r)
			d.refs = append(d.refs, r)
		}
	}
	replay.Sort(d.refs)
	d.first, d.last = none, none
	if n > 0 {
		d.first, d.last = d.refs[0].At, d.refs[n-1].At
	}
	if !in.None() {
		d.refs = replay.Inject(d.refs, d.timeOf, in)
	}
}

// Len is how many events will be sent, those that are sent twice counted twice.
func (d *Dataset) Len() int { return len(d.refs) }

// Before is how many sendings are scheduled before a time of the files, which all come
// before the others.
func (d *Dataset) Before(until event.Time) int {
	return sort.Search(len(d.refs), func(i int) bool { return d.refs[i].At >= until })
}

// Due is when the i-th sending is scheduled, in event time.
func (d *Dataset) Due(i int) event.Time { return d.refs[i].At.Add(d.shift) }

// Span is the smallest and the largest event time, event.MinTime without any.
func (d *Dataset) Span() (first, last event.Time) {
	if len(d.refs) == 0 {
		return none, none
	}
	return d.first.Add(d.shift), d.last.Add(d.shift)
}

// Rebase returns the shift by which the first event, or the last one, comes to now.
func (d *Dataset) Rebase(now event.Time, first bool) event.Duration {
	switch {
	case len(d.refs) == 0:
		return 0
	case first:
		return event.Duration(now - d.first)
	}
	return event.Duration(now - d.last)
}

// Shift moves all times of the files by that much.
func (d *Dataset) Shift(by event.Duration) { d.shift = by }

// Event is one event, ready to be sent.
type Event struct {
	Topic, Type, Key string
	Time             event.Time
	// Kind tells an ordinary sending from an injected one.
	Kind replay.Kind
	// Fields are the fields of the event's schema. Times are RFC 3339 strings,
	// money is a json.Number with two decimals, absent values are nil.
	Fields map[string]any
	// File and Line tell where the event comes from.
	File string
	Line int
}

// Event makes the event of the i-th sending.
func (d *Dataset) Event(i int) Event {
	ref := d.refs[i]
	e := Event{Time: d.timeOf(ref).Add(d.shift), Kind: ref.Kind}
	switch ref.Source {
	case sourceOrders:
		d.orderCreated(&e, d.orders.At(int(ref.Row)))
	case sourceItems:
		d.itemAdded(&e, d.items.At(int(ref.Row)))
	case sourcePayments:
		d.paymentReceived(&e, d.payments.At(int(ref.Row)))
	}
	return e
}

func (d *Dataset) orderCreated(e *Event, o *order) {
	e.Topic, e.Type, e.Key = TopicOrders, "OrderCreated", d.texts.String(o.id)
	e.File, e.Line = OrdersFile, int(o.line)
	e.Fields = map[string]any{
		"event_id":                EventID(TopicOrders, e.Key, 0),
		"event_time":              e.Time.String(),
		"order_id":                e.Key,
		"customer_id":             d.texts.String(o.customer),
		"customer_state":          d.optional(o.state),
		"order_status":            d.texts.String(o.status),
		"order_approved_at":       d.optionalTime(o.approved),
		"estimated_delivery_date": d.optionalTime(o.estimate),
		"delivered_customer_date": d.optionalTime(o.delivered),
	}
}

func (d *Dataset) itemAdded(e *Event, it *item) {
	e.Topic, e.Type, e.Key = TopicItems, "OrderItemAdded", d.texts.String(d.orders.At(int(it.order)).id)
	e.File, e.Line = ItemsFile, int(it.line)
	e.Fields = map[string]any{
		"event_id":         EventID(TopicItems, e.Key, int64(it.n)),
		"event_time":       e.Time.String(),
		"order_id":         e.Key,
		"order_item_id":    int64(it.n),
		"product_id":       d.optional(it.product),
		"seller_id":        d.optional(it.seller),
		"price":            money(it.price),
		"freight_value":    money(it.freight),
		"product_category": d.optional(d.categories[it.product]),
		"seller_state":     d.optional(d.sellerStates[it.seller]),
	}
}

func (d *Dataset) paymentReceived(e *Event, p *payment) {
	o := d.orders.At(int(p.order))
	_, status := o.paid()
	e.Topic, e.Type, e.Key = TopicPayments, "PaymentReceived", d.texts.String(o.id)
	e.File, e.Line = PaymentsFile, int(p.line)
	e.Fields = map[string]any{
		"event_id":             EventID(TopicPayments, e.Key, int64(p.n)),
		"event_time":           e.Time.String(),
		"order_id":             e.Key,
		"payment_sequential":   int64(p.n),
		"payment_type":         d.texts.String(p.method),
		"payment_installments": int64(p.installments),
		"payment_value":        money(p.value),
		"payment_status":       status,
	}
}

func (d *Dataset) optional(t replay.Text) any {
	if t == 0 {
		return nil
	}
	return d.texts.String(t)
}

func (d *Dataset) optionalTime(t event.Time) any {
	if t == none {
		return nil
	}
	return t.Add(d.shift).String()
}
