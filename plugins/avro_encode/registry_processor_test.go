package avroencode

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// registeredBy is a processor for two topics that registers at k.
func registeredBy(t *testing.T, k *kit.Registry, more string) (service.Processor, *host.Hub) {
	t.Helper()
	conf, err := spec().ParseYAML(`
topic: ${! @topic }
schemas: { olist.orders: ../../configs/avro/order.avsc, olist.payments: ../../configs/avro/payment.avsc }
schema_registry: { url: '`+k.URL()+`'`+more+` }
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	res := service.MockResources()
	p, err := newProcessor(conf, res)
	if err != nil {
		t.Fatal(err)
	}
	return p, host.HubOf(res)
}

func payment() *service.Message {
	m := service.NewMessage([]byte(`{"event_id":"e","event_time":"2017-10-02T10:56:33Z","order_id":"o","payment_sequential":1,"payment_type":"boleto","payment_installments":1,"payment_value":"1.50","payment_status":"approved"}`))
	m.MetaSet("topic", "olist.payments")
	return m
}

// TestRegistersOnce: the first message registers the schemas of all topics, and no further
// one asks anything.
func TestRegistersOnce(t *testing.T) {
	k := kit.NewRegistry(t)
	p, _ := registeredBy(t, k, `, subject: "x.{topic}.v1-value"`)
	if len(k.Calls()) > 0 {
		t.Error("the constructor asks")
	}
	for range 3 {
		out, err := p.Process(t.Context(), payment())
		if err != nil {
			t.Fatal(err)
		}
		value, err := out[0].AsBytes()
		if err != nil {
			t.Fatal(err)
		}
		s, ok := k.GetSchema("x.olist.payments.v1-value", 1)
		if !ok || value[0] != 0 || binary.BigEndian.Uint32(value[1:]) != uint32(s.ID) {
			t.Fatalf("%x, id %d", value[:5], s.ID)
		}
	}
	if !k.SubjectExists("x.olist.orders.v1-value") {
		t.Error("the schema of the other topic is not registered")
	}
	if n := len(k.Calls()); n != 6 { // of each topic: looked up, checked, registered
		t.Errorf("%d calls: %v", n, k.Calls())
	}
}

// TestRefusedSchemaEndsTheStream: the message neither leaves nor fails as long as the
// stream is not over.
func TestRefusedSchemaEndsTheStream(t *testing.T) {
	for name, c := range map[string]struct{ more, want string }{
		"incompatible":   {"", "topic olist.payments, subject olist.payments-value: "},
		"not registered": {", auto_register: false", "topic olist.orders, subject olist.orders-value: "},
	} {
		t.Run(name, func(t *testing.T) {
			k := kit.NewRegistry(t)
			if _, err := k.Client(t).RegisterSchema(t.Context(), "olist.payments-value", sr.Schema{Schema: `{"type":"record","name":"olist.PaymentReceived","fields":[{"name":"order_id","type":"long"}]}`}, -1, -1); err != nil {
				t.Fatal(err)
			}
			p, hub := registeredBy(t, k, c.more)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 2)
			for range 2 {
				go func() {
					_, err := p.Process(ctx, payment())
					done <- err
				}()
			}
			select {
			case <-hub.Failed():
			case <-time.After(time.Minute):
				t.Fatal("the stream goes on")
			}
			if err := hub.Err(); !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
			select {
			case err := <-done:
				t.Fatalf("the message has left: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
			cancel()
			for range 2 {
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
			if k.SubjectExists("olist.orders-value") {
				t.Error("a schema is registered")
			}
		})
	}
}
