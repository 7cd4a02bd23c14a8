package tasktest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// The topics of a Shop.
const (
	ShopOrders   = "olist.orders"
	ShopItems    = "olist.order_items"
	ShopPayments = "olist.payments"
)

// ShopShape is what is known of the rows of a Shop.
var ShopShape = task.Shape{Schemas: []task.Known{
	{Topic: ShopOrders, Schema: event.NewSchema("olist.OrderCreated", "event_id", "event_time", "order_id", "customer_id", "customer_state", "order_status", "order_approved_at", "estimated_delivery_date")},
	{Topic: ShopItems, Schema: event.NewSchema("olist.OrderItemAdded", "event_id", "event_time", "order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value")},
	{Topic: ShopPayments, Schema: event.NewSchema("olist.PaymentReceived", "event_id", "event_time", "order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value", "payment_status")},
}}

// Shop is about n decoded events of a shop like Olist's, in order of event time: an
// order about every 36 s, each with an item and a payment within the hour, and 2 % of
// all events twice. Equal sizes make equal events.
func Shop(n int) []event.Row {
	const disorder = 2 * event.Minute
	r := rand.New(rand.NewPCG(1, 2))
	hex := func() event.Value { return event.StringOf(fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())) }
	cents := func(most int64) event.Value { return event.DecimalOf(r.Int64N(most), 2) }
	var rows []event.Row
	add := func(topic int, at event.Time, order event.Value, rest ...event.Value) {
		id := event.StringOf(fmt.Sprintf("%08x-%04x-5%03x-8%03x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>20, r.Uint32()>>20, r.Uint64()>>16))
		k := ShopShape.Schemas[topic]
		row := event.Row{
			Time: at, Watermark: at.Add(-disorder), Schema: k.Schema,
			Values: append([]event.Value{id, event.TimestampOf(at), order}, rest...),
			Source: &event.Source{Topic: k.Topic, Offset: int64(len(rows))},
		}
		rows = append(rows, row)
		if r.IntN(50) == 0 {
			rows = append(rows, row)
		}
	}
	at := event.Time(1_500_000_000_000)
	for len(rows) < n {
		at = at.Add(event.Duration(r.Int64N(int64(72 * event.Second))))
		order := hex()
		add(0, at, order, hex(), event.StringOf("SP"), event.StringOf("delivered"), event.TimestampOf(at), event.TimestampOf(at.Add(10*event.Day)))
		add(1, at, order, event.IntOf(1), hex(), hex(), cents(50_000), cents(5000))
		kind := []string{"credit_card", "credit_card", "credit_card", "boleto", "voucher"}[r.IntN(5)]
		paid := at.Add(event.Duration(r.Int64N(int64(event.Hour))))
		add(2, paid, order, event.IntOf(1), event.StringOf(kind), event.IntOf(1+r.Int64N(10)), cents(50_000), event.StringOf("approved"))
	}
	slices.SortStableFunc(rows, func(a, b event.Row) int { return cmp.Compare(a.Time, b.Time) })
	return rows
}
