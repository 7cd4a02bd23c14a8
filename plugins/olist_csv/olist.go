// Package olistcsv replays the CSV files of the Olist data as events.
package olistcsv

import (
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
}

// Dataset is what was selected from the files, in event-time order.
type Dataset struct {
	orders   []order
	items    []item
	payments []payment
	refs     []replay.Ref
	shift    event.Duration
	// What the other files tell of products and sellers by their ids.
	categories, sellerStates map[string]string
	// Rejects are the rows that no event is sent for, in file order.
	Rejects []Reject
}

// none stands for a time that is absent.
const none = event.MinTime

type order struct {
	id, customer, state, status              string
	purchased, approved, estimate, delivered event.Time // none where absent
	line                                     int32
}

type item struct {
	order           int32 // place in Dataset.orders
	line            int32
	n               int64
	product, seller string
	price, freight  int64 // cents
}

type payment struct {
	order              int32
	line, installments int32
	n, value           int64 // value in cents
	method             string
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

// merge puts all events in the order of sending.
func (d *Dataset) merge() {
	d.refs = make([]replay.Ref, 0, len(d.orders)+len(d.items)+len(d.payments))
	for i := range d.orders {
		d.refs = append(d.refs, replay.Ref{Time: d.orders[i].purchased, Row: int32(i), Source: sourceOrders})
	}
	for i := range d.items {
		d.refs = append(d.refs, replay.Ref{Time: d.orders[d.items[i].order].purchased, Row: int32(i), Source: sourceItems})
	}
	for i := range d.payments {
		at, _ := d.orders[d.payments[i].order].paid()
		d.refs = append(d.refs, replay.Ref{Time: at, Row: int32(i), Source: sourcePayments})
	}
	replay.Sort(d.refs)
}

// Len is the number of events.
func (d *Dataset) Len() int { return len(d.refs) }

// Times are the event times of all events, in order.
func (d *Dataset) Times() []event.Time {
	times := make([]event.Time, len(d.refs))
	for i, r := range d.refs {
		times[i] = r.Time
	}
	return times
}

// Rebase shifts all times so that the first event, or the last one, is at now.
func (d *Dataset) Rebase(now event.Time, first bool) {
	if len(d.refs) == 0 {
		return
	}
	anchor := d.refs[len(d.refs)-1].Time
	if first {
		anchor = d.refs[0].Time
	}
	by := event.Duration(now - anchor)
	d.shift += by
	for i := range d.refs {
		d.refs[i].Time = d.refs[i].Time.Add(by)
	}
}

// Event is one event, ready to be sent.
type Event struct {
	Topic, Type, Key string
	Time             event.Time
	// Fields are the fields of the event's schema. Times are RFC 3339 strings,
	// money is a json.Number with two decimals, absent values are nil.
	Fields map[string]any
	// File and Line tell where the event comes from.
	File string
	Line int
}

// Event makes the i-th event in event-time order.
func (d *Dataset) Event(i int) Event {
	ref := d.refs[i]
	at := ref.Time.String()
	switch ref.Source {
	case sourceOrders:
		o := &d.orders[ref.Row]
		return Event{TopicOrders, "OrderCreated", o.id, ref.Time, map[string]any{
			"event_id":                EventID(TopicOrders, o.id, 0),
			"event_time":              at,
			"order_id":                o.id,
			"customer_id":             o.customer,
			"customer_state":          optional(o.state),
			"order_status":            o.status,
			"order_approved_at":       d.optionalTime(o.approved),
			"estimated_delivery_date": d.optionalTime(o.estimate),
			"delivered_customer_date": d.optionalTime(o.delivered),
		}, OrdersFile, int(o.line)}
	case sourceItems:
		it := &d.items[ref.Row]
		o := &d.orders[it.order]
		return Event{TopicItems, "OrderItemAdded", o.id, ref.Time, map[string]any{
			"event_id":         EventID(TopicItems, o.id, it.n),
			"event_time":       at,
			"order_id":         o.id,
			"order_item_id":    it.n,
			"product_id":       optional(it.product),
			"seller_id":        optional(it.seller),
			"price":            money(it.price),
			"freight_value":    money(it.freight),
			"product_category": optional(d.categories[it.product]),
			"seller_state":     optional(d.sellerStates[it.seller]),
		}, ItemsFile, int(it.line)}
	}
	p := &d.payments[ref.Row]
	o := &d.orders[p.order]
	_, status := o.paid()
	return Event{TopicPayments, "PaymentReceived", o.id, ref.Time, map[string]any{
		"event_id":             EventID(TopicPayments, o.id, p.n),
		"event_time":           at,
		"order_id":             o.id,
		"payment_sequential":   p.n,
		"payment_type":         p.method,
		"payment_installments": int64(p.installments),
		"payment_value":        money(p.value),
		"payment_status":       status,
	}, PaymentsFile, int(p.line)}
}

func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (d *Dataset) optionalTime(t event.Time) any {
	if t == none {
		return nil
	}
	return t.Add(d.shift).String()
}
