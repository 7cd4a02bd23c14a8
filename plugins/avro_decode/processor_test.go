package avrodecode

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	conf, err := spec().ParseYAML(`
framing: confluent
topics:
  olist.payments: { schema: configs/avro/payment.avsc, money: [ payment_value ], rules: [ 'this.payment_value >= 0' ] }
  olist.orders: { schema: configs/avro/order.avsc }
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(conf)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Topics) != 2 || c.Topics[0].Name != "olist.orders" || c.Topics[1].Schema.Name != "olist.PaymentReceived" || c.EventTime != "event_time" ||
		len(c.Topics[1].Rules) != 1 || len(c.Topics[1].Money) != 1 {
		t.Errorf("%+v", c)
	}
	if _, err := New(c); err != nil {
		t.Error(err)
	}
}

// TestParseRefuses: an error names the path of the field.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{ topics: { a.b: { schema: nowhere/x.avsc } } }`:                                         "topics.a.b.schema: schema nowhere/x.avsc: there is no such file",
		`{ topics: { a.b: { schema: configs/avro/nonesuch.avsc } } }`:                             "topics.a.b.schema: schema configs/avro/nonesuch.avsc: there is no such file",
		`{ topics: { a: { schema: processor_test.go } } }`:                                        "topics.a.schema: schema processor_test.go: not JSON: ",
		`{ topics: { a: { schema: configs/avro/order.avsc, rules: [ "true", "this.x >" ] } } }`:   "topics.a.rules.1: ",
		`{ framing: json, topics: { a: { schema: configs/avro/order.avsc } } }`:                   `framing: framing "json" is not one of`,
		`{ topics: { a: { schema: configs/avro/order.avsc, rules: [ 'this.nonesuch == 1' ] } } }`: `topics.a.rules.0: olist.OrderCreated has no field "nonesuch"`,
	} {
		conf, err := spec().ParseYAML(text, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		c, err := parse(conf)
		if err == nil {
			_, err = New(c)
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}
