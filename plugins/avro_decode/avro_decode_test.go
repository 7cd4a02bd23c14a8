package avrodecode

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const at = event.Time(1_514_800_805_123)

func shipped(t testing.TB, file string) *avro.Schema {
	t.Helper()
	s, err := avro.Load("configs/avro/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func framing(t testing.TB, name string, id int) avro.Framing {
	t.Helper()
	f, err := avro.ParseFraming(name, id)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func rules(t testing.TB, texts ...string) (list []*filter.Expr) {
	t.Helper()
	for _, text := range texts {
		e, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func chain(t testing.TB, c Config) *task.Chain {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ch, _, err := task.NewChain([]task.Stage{{Label: "decode", Op: a}}, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func record(topic string, value []byte) event.Row {
	return event.Row{Time: at, Source: &event.Source{Topic: topic, Partition: 1, Offset: 7, Value: value}}
}

// outcome decodes one record: the row as JSON, or "!" and why it is invalid.
func outcome(t testing.TB, ch *task.Chain, r event.Row) string {
	t.Helper()
	var sink task.Sink
	ch.Process([]event.Row{r}, &sink)
	switch {
	case len(sink.Rows) == 1 && len(sink.Rejects) == 0:
		if got := sink.Rows[0]; got.Time != r.Time || got.Source != r.Source {
			t.Errorf("the row is of %v from %v", got.Time, got.Source)
		}
		return string(sink.Rows[0].Text())
	case len(sink.Rows) == 0 && len(sink.Rejects) == 1 && sink.Rejects[0].Reason == task.Invalid && sink.Rejects[0].Operator == "decode":
		return "! " + sink.Rejects[0].Detail
	}
	t.Fatalf("%d rows and %d rejects", len(sink.Rows), len(sink.Rejects))
	return ""
}

func paymentNative(value *big.Rat) map[string]any {
	return map[string]any{
		"event_id": "e", "event_time": at.UTC(), "order_id": "o", "payment_sequential": 1, "payment_type": "voucher",
		"payment_installments": 2, "payment_value": value, "payment_status": "approved",
	}
}

func encode(t testing.TB, s *avro.Schema, f avro.Framing, native any) []byte {
	t.Helper()
	b, err := s.AppendNative(f, nil, native)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const paymentText = `{"event_id":"e","event_time":"2018-01-01T10:00:05.123Z","order_id":"o","payment_installments":2,"payment_sequential":1,"payment_status":"approved","payment_type":"voucher","payment_value":12.30}`

func TestFramings(t *testing.T) {
	s := shipped(t, "payment.avsc")
	native := paymentNative(big.NewRat(1230, 100))
	single, confl, raw := framing(t, avro.FramingSingleObject, 0), framing(t, avro.FramingConfluent, 0), framing(t, avro.FramingRaw, 0)
	written := framing(t, avro.FramingConfluent, 7)
	codec, err := goavro.NewCodec(s.JSON)
	if err != nil {
		t.Fatal(err)
	}
	byGoavro, err := codec.SingleFromNative(nil, native)
	if err != nil {
		t.Fatal(err)
	}
	other := encode(t, s, single, native)
	other[2] ^= 1
	for name, c := range map[string]struct {
		f     avro.Framing
		value []byte
		want  string
	}{
		"single object":                     {single, encode(t, s, single, native), paymentText},
		"a single object of goavro":         {single, byGoavro, paymentText},
		"confluent":                         {confl, encode(t, s, written, native), paymentText},
		"confluent of the id":               {written, encode(t, s, written, native), paymentText},
		"raw":                               {raw, encode(t, s, raw, native), paymentText},
		"another schema's fingerprint":      {single, other, "! written with another schema: fingerprint "},
		"another schema's id":               {written, encode(t, s, framing(t, avro.FramingConfluent, 8), native), "! written with another schema: id 8, olist.PaymentReceived has 7"},
		"confluent where single is due":     {single, encode(t, s, written, native), "! no Avro single object: it begins with 00 00, not c3 01"},
		"single where confluent is due":     {confl, encode(t, s, single, native), "! no Confluent framing: it begins with c3, not 00"},
		"a header that is cut":              {single, []byte{0xc3, 0x01, 1}, "! 3 bytes are too short for an Avro single object"},
		"a Confluent header that is cut":    {confl, []byte{0, 1}, "! 2 bytes are too short for Confluent framing"},
		"no value":                          {single, nil, "! 0 bytes are too short for an Avro single object"},
		"no value, raw":                     {raw, nil, "! not Avro of olist.PaymentReceived: field event_id: it ends in the middle of a field"},
		"a byte too many":                   {raw, append(encode(t, s, raw, native), 0), "! not Avro of olist.PaymentReceived: 1 bytes are left over"},
		"JSON where a single object is due": {single, []byte(`{"event_id":"e"}`), "! no Avro single object: it begins with 7b 22, not c3 01"},
	} {
		t.Run(name, func(t *testing.T) {
			ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: s, Framing: c.f}}, EventTime: "event_time"})
			if got := outcome(t, ch, record("p", c.value)); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTopics(t *testing.T) {
	raw := framing(t, avro.FramingRaw, 0)
	payment, order := shipped(t, "payment.avsc"), shipped(t, "order.avsc")
	ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: payment, Framing: raw}, {Name: "o", Schema: order, Framing: raw}}})
	if got := outcome(t, ch, record("p", encode(t, payment, raw, paymentNative(big.NewRat(1230, 100))))); got != paymentText {
		t.Error(got)
	}
	if got := outcome(t, ch, record("elsewhere", nil)); got != `! no schema for topic "elsewhere"` {
		t.Error(got)
	}
	if got := outcome(t, ch, event.Row{Time: at}); got != "! no undecoded record" {
		t.Error(got)
	}
	if got := outcome(t, ch, event.Row{Time: at, Source: &event.Source{Topic: "p"}, Schema: event.NewSchema("x")}); got != "! no undecoded record" {
		t.Error(got)
	}
}

// TestRejectedRowsTellWhatTheyAre: a record that breaks a rule could be read, so its
// dead letter is text; what could not be read stays as it came.
func TestRejectedRowsTellWhatTheyAre(t *testing.T) {
	raw := framing(t, avro.FramingRaw, 0)
	s := shipped(t, "payment.avsc")
	ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: s, Framing: raw, Rules: rules(t, `this.payment_value < 10`)}}})
	var sink task.Sink
	ch.Process([]event.Row{record("p", encode(t, s, raw, paymentNative(big.NewRat(1230, 100)))), record("p", []byte("garbage"))}, &sink)
	if len(sink.Rejects) != 2 || len(sink.Rows) != 0 {
		t.Fatal(sink)
	}
	if got := string(sink.Rejects[0].Row.Text()); got != paymentText {
		t.Errorf("the payload of a record that breaks a rule is %s", got)
	}
	if got := string(sink.Rejects[1].Row.Text()); got != "garbage" {
		t.Errorf("the payload of garbage is %s", got)
	}
	if got := ch.Accounts(); len(got) != 1 || got[0].Counts[task.In] != 2 || got[0].Counts[task.Invalid] != 2 || !got[0].Counts.Balanced() {
		t.Errorf("the account is %v", got)
	}
}

func TestEventTime(t *testing.T) {
	raw := framing(t, avro.FramingRaw, 0)
	schema := func(typ string) *avro.Schema {
		s, err := avro.Parse(`{"type":"record","name":"R","fields":[{"name":"event_time","type":` + typ + `}]}`)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	long := func(n int64) []byte { return binary.AppendVarint(nil, n) }
	millis, micros := schema(`{"type":"long","logicalType":"timestamp-millis"}`), schema(`{"type":"long","logicalType":"timestamp-micros"}`)
	for name, c := range map[string]struct {
		s     *avro.Schema
		field string
		value []byte
		ok    bool
	}{
		"the same":                      {millis, "event_time", long(int64(at)), true},
		"a millisecond less":            {millis, "event_time", long(int64(at) - 1), false},
		"a millisecond more":            {millis, "event_time", long(int64(at) + 1), false},
		"microseconds of the same":      {micros, "event_time", long(int64(at)*1000 + 999), true},
		"microseconds before":           {micros, "event_time", long(int64(at)*1000 - 1), false},
		"null":                          {schema(`["null",{"type":"long","logicalType":"timestamp-millis"}]`), "event_time", []byte{0}, false},
		"a number that is no time":      {schema(`"long"`), "event_time", long(int64(at)), false},
		"a text":                        {schema(`"string"`), "event_time", []byte{2, 'x'}, false},
		"microseconds taken for millis": {millis, "event_time", long(int64(at) * 1000), false},
		"not asked for":                 {millis, "", long(1), true},
		"a schema without the field":    {millis, "elsewhere", long(1), true},
	} {
		t.Run(name, func(t *testing.T) {
			ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: c.s, Framing: raw}}, EventTime: c.field})
			if got := outcome(t, ch, record("p", c.value)); strings.HasPrefix(got, "!") == c.ok {
				t.Error(got)
			}
		})
	}
	ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: millis, Framing: raw}}, EventTime: "event_time"})
	if got := outcome(t, ch, record("p", long(0))); got != "! event_time 1970-01-01T00:00:00Z differs from the record's timestamp 2018-01-01T10:00:05.123Z" {
		t.Error(got)
	}
	ch = chain(t, Config{Topics: []Topic{{Name: "p", Schema: schema(`["null",{"type":"long","logicalType":"timestamp-millis"}]`), Framing: raw}}, EventTime: "event_time"})
	if got := outcome(t, ch, record("p", long(0))); got != "! event_time null differs from the record's timestamp 2018-01-01T10:00:05.123Z" {
		t.Error(got)
	}
}

func TestMoney(t *testing.T) {
	raw := framing(t, avro.FramingRaw, 0)
	const decimal = `{"type":"bytes","logicalType":"decimal","precision":15,"scale":3}`
	for _, c := range []struct {
		typ    string
		native any
		want   string // the cents, or why there are none
	}{
		{`"double"`, 1.005, "1.01"}, {`"double"`, -1.005, "-1.01"}, {`"double"`, 2.675, "2.68"}, {`"double"`, 0.1 + 0.2, "0.30"},
		{`"double"`, 1e3, "1000.00"}, {`"double"`, 1e300, `! v: "1000000`}, {`"double"`, 0.004999999, "0.00"}, {`"double"`, math.Copysign(0, -1), "0.00"},
		{`"float"`, float32(0.125), "0.13"}, {`"long"`, 12, "12.00"},
		{`"string"`, "12.345", "12.35"}, {`"string"`, "-12.345", "-12.35"}, {`"string"`, "7", "7.00"},
		{`"string"`, "12,50", `! v: "12,50" is not an amount of money`}, {`"string"`, "", `! v: "" is not an amount of money`},
		{`"string"`, "1e2", `! v: "1e2" is not`}, {`"string"`, " 1", `! v: " 1" is not`}, {`"string"`, "99999999999999999999", `! v: `},
		{decimal, big.NewRat(12345, 1000), "12.35"}, {decimal, big.NewRat(-12345, 1000), "-12.35"}, {decimal, big.NewRat(12344, 1000), "12.34"},
		{decimal, new(big.Rat), "0.00"},
		{`["null","double"]`, nil, "null"}, {`["null","double"]`, goavro.Union("double", 0.015), "0.02"},
		{`["null","long","string"]`, goavro.Union("string", "0.015"), "0.02"},
		{`"boolean"`, true, `! v: "true" is not an amount of money`},
	} {
		s, err := avro.Parse(`{"type":"record","name":"R","fields":[{"name":"v","type":` + c.typ + `}]}`)
		if err != nil {
			t.Fatal(err)
		}
		ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: s, Framing: raw, Money: []string{"v"}}}})
		got := outcome(t, ch, record("p", encode(t, s, raw, map[string]any{"v": c.native})))
		if want := `{"v":` + c.want + `}`; got != want && !(strings.HasPrefix(c.want, "!") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%s %v: %s, want %s", c.typ, c.native, got, want)
		}
	}
}

func TestRules(t *testing.T) {
	raw := framing(t, avro.FramingRaw, 0)
	s := shipped(t, "payment.avsc")
	ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: s, Framing: raw, Rules: rules(t, `this.order_id != ""`, `this.payment_value >= 0`)}}})
	for _, c := range []struct {
		order string
		cents int64
		want  string
	}{
		{"o", 0, "{"}, {"o", -1, `! breaks the rule this.payment_value >= 0`}, {"", 1, `! breaks the rule this.order_id != ""`},
	} {
		native := paymentNative(big.NewRat(c.cents, 100))
		native["order_id"] = c.order
		if got := outcome(t, ch, record("p", encode(t, s, raw, native))); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestMoneyBeforeRules: a rule sees the cents.
func TestMoneyBeforeRules(t *testing.T) {
	raw := framing(t, avro.FramingRaw, 0)
	s, err := avro.Parse(`{"type":"record","name":"R","fields":[{"name":"v","type":"string"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	ch := chain(t, Config{Topics: []Topic{{Name: "p", Schema: s, Framing: raw, Money: []string{"v"}, Rules: rules(t, `this.v >= 0`)}}})
	if got := outcome(t, ch, record("p", encode(t, s, raw, map[string]any{"v": "-0.001"}))); got != `{"v":0.00}` {
		t.Error(got)
	}
	if got := outcome(t, ch, record("p", encode(t, s, raw, map[string]any{"v": "-1"}))); got != "! breaks the rule this.v >= 0" {
		t.Error(got)
	}
}

func TestNewRefuses(t *testing.T) {
	s := shipped(t, "payment.avsc")
	text, err := avro.Parse(`"string"`)
	if err != nil {
		t.Fatal(err)
	}
	for want, topic := range map[string]Topic{
		`topics.p.schema: schema string is no record`:                            {Name: "p", Schema: text},
		`topics.p.money.1: olist.PaymentReceived has no field "amount"`:          {Name: "p", Schema: s, Money: []string{"payment_value", "amount"}},
		`topics.p.rules.0: olist.PaymentReceived has no field "amount"`:          {Name: "p", Schema: s, Rules: rules(t, `this.amount > 0`)},
		`topics.p.rules.1: olist.PaymentReceived has no field "payment_value.x"`: {Name: "p", Schema: s, Rules: rules(t, `true`, `this.payment_value.x > 0`)},
	} {
		if _, err := New(Config{Topics: []Topic{topic}}); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestBind(t *testing.T) {
	s := shipped(t, "payment.avsc")
	a, err := New(Config{Topics: []Topic{{Name: "p", Schema: s}, {Name: "q", Schema: s}}})
	if err != nil {
		t.Fatal(err)
	}
	names := func(in []task.Known) (list []string) {
		for _, k := range in {
			list = append(list, fmt.Sprint(k.Topic, " ", k.Schema.Name))
		}
		return list
	}
	out, err := a.Bind(task.Shape{Schemas: []task.Known{{Topic: "p"}}, Delay: 5})
	if err != nil || out.Delay != 5 || !slices.Equal(names(out.Schemas), []string{"p olist.PaymentReceived"}) {
		t.Errorf("%v %v", out, err)
	}
	if out, err = a.Bind(task.Shape{}); err != nil || len(out.Schemas) != 2 {
		t.Errorf("%v %v", out, err)
	}
	if _, err = a.Bind(task.Shape{Schemas: []task.Known{{Topic: "p"}, {Topic: "x"}}}); err == nil || err.Error() != `topics: no schema for topic "x"` {
		t.Error(err)
	}
}

// orders encodes n orders as they are shipped.
func orders(t testing.TB, n int) (*avro.Schema, avro.Framing, []event.Row) {
	s, f := shipped(t, "order.avsc"), framing(t, avro.FramingSingleObject, 0)
	rows := make([]event.Row, n)
	for i := range rows {
		when := at.Add(event.Duration(i))
		rows[i] = record("o", encode(t, s, f, map[string]any{
			"event_id": fmt.Sprintf("0b3a0c2e-7f6b-5a0e-8d2c-%012d", i), "event_time": when.UTC(), "order_id": fmt.Sprintf("%032d", i), "customer_id": fmt.Sprintf("%032d", i*7),
			"customer_state": goavro.Union("string", "SP"), "order_status": "delivered",
			"order_approved_at": goavro.Union("long.timestamp-millis", when.UTC().Add(time.Hour)), "estimated_delivery_date": nil,
		}))
		rows[i].Time = when
	}
	return s, f, rows
}

// TestShippedOrdersCostNoMemory: the decoder of a shipped schema allocates nothing per event.
func TestShippedOrdersCostNoMemory(t *testing.T) {
	s, f, rows := orders(t, 1)
	d, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]event.Value, d.Len())
	if n := testing.AllocsPerRun(100, func() {
		payload, err := s.Unframe(f, rows[0].Source.Value)
		if err == nil {
			err = d.Decode(payload, values)
		}
		if err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per event", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	s, f, rows := orders(b, 1)
	d, err := Compile(s)
	if err != nil {
		b.Fatal(err)
	}
	values := make([]event.Value, d.Len())
	b.ReportAllocs()
	b.SetBytes(int64(len(rows[0].Source.Value)))
	for b.Loop() {
		payload, err := s.Unframe(f, rows[0].Source.Value)
		if err == nil {
			err = d.Decode(payload, values)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeResolved reads orders that were written before there was another field.
func BenchmarkDecodeResolved(b *testing.B) {
	s, f, rows := orders(b, 1)
	writer, err := avro.ParseType(s.JSON)
	if err != nil {
		b.Fatal(err)
	}
	reader := strings.Replace(s.JSON, `"fields": [`, `"fields": [ { "name": "new", "type": "string", "default": "x" },`, 1)
	d, err := Resolve(writer, shippedAs(b, reader))
	if err != nil {
		b.Fatal(err)
	}
	if d.steps == nil {
		b.Fatal("nothing was resolved")
	}
	values := make([]event.Value, d.Len())
	b.ReportAllocs()
	b.SetBytes(int64(len(rows[0].Source.Value)))
	for b.Loop() {
		payload, err := s.Unframe(f, rows[0].Source.Value)
		if err == nil {
			err = d.Decode(payload, values)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func shippedAs(t testing.TB, text string) *avro.Schema {
	t.Helper()
	s, err := avro.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// BenchmarkProcess is the whole operator, per batch of 1000 orders.
func BenchmarkProcess(b *testing.B) {
	s, f, rows := orders(b, 1000)
	ch := chain(b, Config{Topics: []Topic{{Name: "o", Schema: s, Framing: f, Rules: rules(b, `this.event_id != ""`, `this.order_id != ""`)}}, EventTime: "event_time"})
	var sink task.Sink
	b.ReportAllocs()
	for b.Loop() {
		sink.Rows = sink.Rows[:0]
		ch.Process(rows, &sink)
		if len(sink.Rejects) > 0 {
			b.Fatal(sink.Rejects[0].Detail)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/event")
}
