package e2e

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	orders   = "olist.orders"
	items    = "olist.order_items"
	payments = "olist.payments"
	letters  = "olist.dead_letters"
)

// readers are the streams that read a topic.
var readers = map[string][]string{
	orders:   {"tidemark-funnel", "tidemark-dimensions"},
	items:    {"tidemark-funnel", "tidemark-gmv", "tidemark-dimensions"},
	payments: {"tidemark-funnel", "tidemark-payments"},
	letters:  {"tidemark-dead-letters"},
}

// fields are the values of an event by name, as goavro takes them.
type fields map[string]any

// encode returns the single-object encoding of an event of a topic.
func encode(t testing.TB, topic string, f fields) []byte {
	t.Helper()
	file := map[string]string{orders: "order.avsc", items: "order_item.avsc", payments: "payment.avsc"}[topic]
	schema, err := os.ReadFile(filepath.Join(kit.Root(t), "configs", "avro", file))
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(string(schema))
	if err != nil {
		t.Fatal(err)
	}
	value, err := codec.SingleFromNative(nil, map[string]any(f))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func orderEvent(id string, at time.Time) fields {
	return fields{
		"event_id": "order-event-" + id, "event_time": at, "order_id": id, "customer_id": "customer",
		"customer_state": nil, "order_status": "delivered", "order_approved_at": nil, "estimated_delivery_date": nil,
	}
}

func itemEvent(id string, at time.Time) fields {
	return fields{
		"event_id": "item-event-" + id, "event_time": at, "order_id": id, "order_item_id": 77,
		"product_id": nil, "seller_id": nil, "price": big.NewRat(1050, 100), "freight_value": big.NewRat(1, 2),
	}
}

func paymentEvent(id string, at time.Time) fields {
	return fields{
		"event_id": "payment-event-" + id, "event_time": at, "order_id": id, "payment_sequential": 77,
		"payment_type": "voucher", "payment_installments": 1, "payment_value": big.NewRat(11, 1), "payment_status": "approved",
	}
}

func (f fields) with(name string, value any) fields {
	f[name] = value
	return f
}

// bad is a record that has to end among the dead letters of all its readers.
type bad struct {
	name, topic, reason string
	value               []byte
	at                  time.Time // record timestamp
	key                 string    // the order's id, where it must come to the order's task
}

// badRecords are all kinds of records that no stream may count; at is a time
// that lies well for the topics as they stand.
func badRecords(t testing.TB, at time.Time) []bad {
	t.Helper()
	future := time.Now().Add(24 * time.Hour).Truncate(time.Millisecond)
	foreign := encode(t, payments, paymentEvent("foreign", at))
	foreign[2] ^= 0xff // first byte of the schema's fingerprint
	whole := encode(t, items, itemEvent("cut", at))
	return []bad{
		{"random bytes", orders, "invalid", []byte("\x17\xfe not an event"), at, ""},
		{"random bytes", items, "invalid", []byte{0xc3, 0x01, 1, 2, 3}, at, ""},
		{"no value", payments, "invalid", nil, at, ""},
		{"unknown schema", payments, "invalid", foreign, at, ""},
		{"cut short", items, "invalid", whole[:len(whole)-4], at, ""},
		{"longer than its schema", items, "invalid", append(encode(t, items, itemEvent("long", at)), 0), at, ""},
		{"event_time is not the record's", orders, "invalid", encode(t, orders, orderEvent("shifted", at.Add(time.Second))), at, ""},
		{"negative price", items, "invalid", encode(t, items, itemEvent("negative", at).with("price", big.NewRat(-1, 1))), at, ""},
		{"negative payment", payments, "invalid", encode(t, payments, paymentEvent("negative", at).with("payment_value", big.NewRat(-1, 100))), at, ""},
		{"no order id", orders, "invalid", encode(t, orders, orderEvent("", at)), at, ""},
		{"no letter of the producer", letters, "invalid", []byte("{"), at, ""},
		{"future order", orders, "future", encode(t, orders, orderEvent("future", future)), future, ""},
		{"future payment", payments, "future", encode(t, payments, paymentEvent("future", future)), future, ""},
	}
}

// place is where a dead letter comes from.
type place struct {
	stream, topic string
	partition     int32
	offset        int64
}

// send writes records straight to the topics, past the producer of the product,
// and returns the dead letters that they have to become.
func (p *pipeline) send(records []bad) map[place]bad {
	p.Helper()
	client := p.kafka.Client(p)
	expected := map[place]bad{}
	for _, b := range records {
		r := &kgo.Record{Topic: b.topic, Key: []byte(b.key), Value: b.value, Timestamp: b.at}
		if err := client.ProduceSync(p.Context(), r).FirstErr(); err != nil {
			p.Fatal(err)
		}
		for _, stream := range readers[b.topic] {
			expected[place{stream, b.topic, r.Partition, r.Offset}] = b
		}
	}
	return expected
}

// letter is a row of dead_letter_events.
type letter struct{ reason, detail string }

func (p *pipeline) deadLetters() map[place]letter {
	p.Helper()
	rows, err := p.pg.DB.QueryContext(p.Context(),
		`select stream, topic, partition, "offset", reason, coalesce(detail, '') from dead_letter_events`)
	if err != nil {
		p.Fatal(err)
	}
	defer rows.Close()
	found := map[place]letter{}
	for rows.Next() {
		var at place
		var l letter
		if err := rows.Scan(&at.stream, &at.topic, &at.partition, &at.offset, &l.reason, &l.detail); err != nil {
			p.Fatal(err)
		}
		found[at] = l
	}
	if err := rows.Err(); err != nil {
		p.Fatal(err)
	}
	return found
}

// Records that are no events become dead letters with place and reason, wherever
// they lie, and change nothing else.
func TestGarbageRecords(t *testing.T) {
	const limit = 1000
	dir := dataset(t)
	p := newPipeline(t, 3)
	events, _ := read(t, dir, limit)
	first, last := events[0].Time, events[len(events)-1].Time

	expected := p.send(badRecords(t, first))
	p.produce(dir, "--limit", fmt.Sprint(limit))
	after := last.Add(time.Second)
	for at, b := range p.send(badRecords(t, after)) {
		expected[at] = b
	}
	// Two that are events, but not for the streams that join: an item whose order nobody
	// placed, and one that comes a day after its order could still be joined.
	placed := events[lastOrder(events)]
	tooLate := placed.Time.Add(8 * 24 * time.Hour)
	if tooLate.Before(after) {
		tooLate = after
	}
	strays := []bad{
		{"orphan", items, "orphan", encode(t, items, itemEvent("nobody's", after)), after, "nobody's"},
		{"too late", items, "orphan or late", encode(t, items, itemEvent(placed.OrderID, tooLate)), tooLate, placed.OrderID},
	}
	for at, b := range p.send(strays) {
		if at.stream != "tidemark-gmv" {
			expected[at] = b
		}
	}
	events = append(events,
		golden.Event{Kind: golden.Item, ID: "orphan", OrderID: "nobody's", Time: after, Price: 1050, Freight: 50},
		golden.Event{Kind: golden.Item, ID: "late", OrderID: placed.OrderID, Time: tooLate, Price: 1050, Freight: 50})
	// And an order that is remembered, under another event id: it is a duplicate.
	p.send([]bad{{"again", orders, "", encode(t, orders, orderEvent(placed.OrderID, placed.Time)), placed.Time, placed.OrderID}})

	r := p.consume()
	p.expect(golden.Compute(events, golden.Defaults()))
	accountAddsUp(t, r.Stdout)

	got := p.deadLetters()
	for at, b := range expected {
		l, found := got[at]
		switch {
		case !found:
			t.Errorf("%s (%+v): no dead letter", b.name, at)
		case b.reason == "orphan or late" && (l.reason == "orphan" || l.reason == "late"):
		case l.reason != b.reason:
			t.Errorf("%s (%+v): reason %s, want %s", b.name, at, l.reason, b.reason)
		case l.detail == "":
			t.Errorf("%s (%+v): nothing says what is wrong", b.name, at)
		}
	}
	// What the data itself has of orphans and of children outside their order's bounds.
	others := int64(0)
	for _, n := range golden.Children(events, golden.Defaults()) {
		others += n.Outside + n.Orphans
	}
	others -= int64(len(strays)) // they are among the expected
	if n := int64(len(got) - len(expected)); n != others {
		t.Errorf("%d dead letters besides the expected, want %d", n, others)
	}
}

func lastOrder(events []golden.Event) int {
	for i := len(events) - 1; ; i-- {
		if events[i].Kind == golden.Order {
			return i
		}
	}
}

// Rows of the files that break the rules are named in the dead letters with file
// and line; the producer goes on, ends with success and says how many there were.
func TestBrokenRows(t *testing.T) {
	source := dataset(t)
	events, already := read(t, source, 0)
	known := events[0].OrderID
	dir := withBrokenRows(t, source, map[string]string{
		golden.OrdersFile: ",customer,delivered,2018-01-01 00:00:00,,,,\n" +
			"no-time,customer,delivered,some day,,,,\n",
		golden.ItemsFile: known + ",90,product,seller,,-1.00,2.00\n" +
			known + ",91,product,seller,,cheap,2.00\n" +
			"no-such-order,1,product,seller,,1.00,2.00\n",
		golden.PaymentsFile: known + ",90,voucher,1,-3.00\n" +
			known + ",91,voucher,many,3.00\n" +
			"no-such-order,1,voucher,1,3.00\n",
	})
	events, rejects := read(t, dir, 0)
	if got := len(rejects) - len(already); got != 8 {
		t.Fatalf("the oracle rejects %d of 8 broken rows", got)
	}

	p := newPipeline(t, 3)
	r := p.produce(dir)
	if !mentions(r.Output(), "rejected", fmt.Sprint(len(rejects))) {
		t.Errorf("the producer does not say that it rejected %d rows:\n%s", len(rejects), r.Output())
	}
	p.consume()
	p.expect(golden.Compute(events, golden.Defaults()))

	lines := map[string]letter{}
	for at, l := range p.deadLetters() {
		if at.stream == "tidemark-dead-letters" {
			lines[fmt.Sprintf("%s:%d", filepath.Base(at.topic), at.offset)] = l
		}
	}
	for _, reject := range rejects {
		at := fmt.Sprintf("%s:%d", reject.File, reject.Line)
		if l, found := lines[at]; !found {
			t.Errorf("%s (%s): no dead letter", at, reject.Reason)
		} else if l.reason != "invalid" || l.detail == "" {
			t.Errorf("%s (%s): dead letter %+v", at, reject.Reason, l)
		}
	}
	if len(lines) != len(rejects) {
		t.Errorf("%d dead letters for %d rejected rows", len(lines), len(rejects))
	}
}
