package chaos

import (
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// The events that a scenario makes by hand; their other fields do not matter.

func order(id string, at time.Time) golden.Event {
	return golden.Event{Kind: golden.Order, ID: "order-" + id, OrderID: id, Time: at, Customer: "customer-" + id, Status: "delivered"}
}

func item(id string, at time.Time) golden.Event {
	return golden.Event{Kind: golden.Item, ID: "item-" + id, OrderID: id, Time: at, N: 1, Price: 1050, Freight: 50}
}

func payment(id string, at time.Time) golden.Event {
	return golden.Event{Kind: golden.Payment, ID: "payment-" + id, OrderID: id, Time: at, N: 1, Type: "voucher", Installments: 1, Value: 1100, Approved: true}
}

// send writes events to their topics, in this order, without taking them for ones
// that count.
func (p *pipeline) send(events ...golden.Event) {
	p.Helper()
	client := p.kafka.Client(p)
	for _, e := range events {
		r := &kgo.Record{Topic: e.Kind.String(), Key: []byte(e.OrderID), Value: p.encode(e), Timestamp: e.Time}
		if err := client.ProduceSync(p.Context(), r).FirstErr(); err != nil {
			p.Fatal(err)
		}
	}
}

// encode returns the single-object encoding of an event.
func (p *pipeline) encode(e golden.Event) []byte {
	p.Helper()
	file := map[golden.Kind]string{golden.Order: "order.avsc", golden.Item: "order_item.avsc", golden.Payment: "payment.avsc"}[e.Kind]
	schema, err := os.ReadFile(filepath.Join(kit.Root(p), "configs", "avro", file))
	if err != nil {
		p.Fatal(err)
	}
	codec, err := goavro.NewCodec(string(schema))
	if err != nil {
		p.Fatal(err)
	}
	fields := map[string]any{"event_id": e.ID, "event_time": e.Time, "order_id": e.OrderID}
	switch e.Kind {
	case golden.Order:
		fields["customer_id"], fields["order_status"] = e.Customer, e.Status
		fields["customer_state"], fields["order_approved_at"], fields["estimated_delivery_date"] = nil, nil, nil
	case golden.Item:
		fields["order_item_id"], fields["product_id"], fields["seller_id"] = int(e.N), nil, nil
		fields["price"], fields["freight_value"] = big.NewRat(e.Price, 100), big.NewRat(e.Freight, 100)
	case golden.Payment:
		fields["payment_sequential"], fields["payment_type"] = int(e.N), e.Type
		fields["payment_installments"], fields["payment_value"] = int(e.Installments), big.NewRat(e.Value, 100)
		fields["payment_status"] = "unapproved"
		if e.Approved {
			fields["payment_status"] = "approved"
		}
	}
	value, err := codec.SingleFromNative(nil, fields)
	if err != nil {
		p.Fatal(err)
	}
	return value
}

// funnelOnly is a folder with the funnel's stream as it is shipped but for the
// interval between its commits.
func (p *pipeline) funnelOnly(commitInterval string) string {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(kit.Root(p), "streams", "analytics", "funnel.yaml"))
	if err != nil {
		p.Fatal(err)
	}
	const anchor = "    consumer_group: tidemark-funnel\n"
	if strings.Count(string(text), anchor) != 1 {
		p.Fatalf("the funnel's stream has no line %q", anchor)
	}
	dir := p.TempDir()
	edited := strings.Replace(string(text), anchor, anchor+"    commit_interval: "+commitInterval+"\n", 1)
	if err := os.WriteFile(filepath.Join(dir, "funnel.yaml"), []byte(edited), 0o600); err != nil {
		p.Fatal(err)
	}
	return dir
}
