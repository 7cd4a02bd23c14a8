package avroencode

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/redpanda-data/benthos/v4/public/service"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
)

func encoder(t testing.TB, text string) *Encoder {
	t.Helper()
	s, err := avro.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := avro.ParseFraming(avro.FramingRaw, 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncoder(s, raw)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// decode reads raw Avro with goavro and takes the union wrappers off.
func decode(t testing.TB, text string, data []byte) any {
	t.Helper()
	codec, err := goavro.NewCodec(text)
	if err != nil {
		t.Fatal(err)
	}
	v, rest, err := codec.NativeFromBinary(data)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes left", err, len(rest))
	}
	return v
}

func TestValues(t *testing.T) {
	at := time.Date(2017, 7, 9, 21, 57, 5, 123e6, time.UTC)
	const (
		millis  = `{"type":"long","logicalType":"timestamp-millis"}`
		micros  = `{"type":"long","logicalType":"timestamp-micros"}`
		date    = `{"type":"int","logicalType":"date"}`
		decimal = `{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`
		enum    = `{"type":"enum","name":"E","symbols":["approved","unapproved"]}`
		fixed   = `{"type":"fixed","name":"F","size":2}`
	)
	for _, tc := range []struct {
		schema string
		in     any
		want   any    // as goavro reads it
		err    string // or part of the error
	}{
		{`"string"`, "é", "é", ""},
		{`"string"`, json.Number("1"), nil, "1 is not a string"},
		{`"string"`, nil, nil, "null is not a string"},
		{`"string"`, "\xff", nil, "not valid UTF-8"},
		{`"int"`, json.Number("7"), int32(7), ""},
		{`"int"`, 7.0, int32(7), ""},
		{`"int"`, 7.5, nil, "7.5 is not a whole number"},
		{`"int"`, int64(1) << 31, nil, "2147483648 does not fit in 32 bits"},
		{`"long"`, json.Number("9007199254740993"), int64(9007199254740993), ""},
		{`"long"`, json.Number("1e3"), int64(1000), ""},
		{`"long"`, json.Number("1e99999999"), nil, "not a whole number"},
		{`"long"`, uint64(1) << 63, nil, "not a whole number"},
		{`"double"`, json.Number("1.5"), 1.5, ""},
		{`"double"`, "1.5", nil, "not a number"},
		{`"boolean"`, true, true, ""},
		{`"boolean"`, 1, nil, "1 is not a boolean"},
		{`"bytes"`, "ab", []byte("ab"), ""},
		{fixed, "ab", []byte("ab"), ""},
		{fixed, "abc", nil, "3 bytes, want 2"},
		{enum, "approved", "approved", ""},
		{enum, "paid", nil, `"paid" is not one of approved, unapproved`},
		{millis, at, at, ""},
		{millis, "2017-07-09T18:57:05.123-03:00", at, ""},
		{millis, at.UnixMilli(), at, ""},
		{millis, json.Number("-1"), time.UnixMilli(-1).UTC(), ""},
		{millis, "2017-07-09 21:57:05", nil, "not an RFC 3339 time"},
		{millis, true, nil, "true is not a time"},
		{micros, at, at, ""},
		{micros, at.UnixMicro(), at, ""},
		{date, "2017-07-09", time.Date(2017, 7, 9, 0, 0, 0, 0, time.UTC), ""},
		{date, "1969-12-31", time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), ""},
		{decimal, json.Number("12.34"), big.NewRat(1234, 100), ""},
		{decimal, json.Number("-0.01"), big.NewRat(-1, 100), ""},
		{decimal, "12.340", big.NewRat(1234, 100), ""},
		{decimal, 12.35, big.NewRat(1235, 100), ""},
		{decimal, 12, big.NewRat(12, 1), ""},
		{decimal, json.Number("1.2e1"), big.NewRat(12, 1), ""},
		{decimal, json.Number("9999.99"), big.NewRat(999999, 100), ""},
		{decimal, json.Number("10000.00"), nil, "more than 6 digits"},
		{decimal, json.Number("12.345"), nil, "12.345 has more than 2 decimals"},
		{decimal, 0.30000000000000004, nil, "more than 2 decimals"},
		{decimal, "1e999999999", nil, "not a number"},
		{decimal, "1/3", nil, "not a number"},
		{decimal, "0x10", nil, "not a number"},
		{decimal, "12,34", nil, `"12,34" is not a number`},
		{decimal, nil, nil, "null is not a number"},
		{`["null",` + decimal + `]`, "1.50", goavro.Union("bytes.decimal", big.NewRat(3, 2)), ""},
		{`["null",` + millis + `]`, at, goavro.Union("long.timestamp-millis", at), ""},
		{`["null",` + millis + `]`, nil, nil, ""},
		{`["null",` + millis + `]`, "soon", nil, `"soon" is not an RFC 3339 time`},
		{`[` + enum + `,"null"]`, "approved", goavro.Union("E", "approved"), ""},
		{`["int","string"]`, "x", goavro.Union("string", "x"), ""},
		{`["int","string"]`, true, nil, "true fits no member of the union"},
		{`["int","string"]`, nil, nil, "null does not fit"},
		{`{"type":"array","items":"int"}`, []any{1, json.Number("2")}, []any{int32(1), int32(2)}, ""},
		{`{"type":"array","items":"int"}`, []any{1, "x"}, nil, `1: "x" is not a whole number`},
		{`{"type":"map","values":"int"}`, map[string]any{"a": 1}, map[string]any{"a": int32(1)}, ""},
		{`{"type":"map","values":"int"}`, map[string]any{"a": "b"}, nil, `a: "b" is not a whole number`},
	} {
		data, err := encoder(t, tc.schema).Encode(tc.in)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s of %v: got error %v, want %q", tc.schema, tc.in, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s of %v: %v", tc.schema, tc.in, err)
			continue
		}
		if got := decode(t, tc.schema, data); show(got) != show(tc.want) {
			t.Errorf("%s of %v: got %v, want %v", tc.schema, tc.in, show(got), show(tc.want))
		}
	}
}

func show(v any) string {
	switch x := v.(type) {
	case *big.Rat:
		return x.RatString()
	case map[string]any:
		parts := make([]string, 0, len(x))
		for k, e := range x {
			parts = append(parts, k+"="+show(e))
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprintf("%T %v", v, v)
}

const nested = `{"type":"record","name":"Node","namespace":"n","fields":[
	{"name":"id","type":"int"},
	{"name":"note","type":"string","default":"none"},
	{"name":"next","type":["null","Node"]}]}`

func TestRecords(t *testing.T) {
	e := encoder(t, nested)
	data, err := e.Encode(map[string]any{"id": 1, "next": map[string]any{"id": 2, "note": "x", "next": nil}})
	if err != nil {
		t.Fatal(err)
	}
	first := decode(t, nested, data).(map[string]any)
	second := first["next"].(map[string]any)["n.Node"].(map[string]any)
	if first["note"] != "none" || second["id"] != int32(2) || second["next"] != nil {
		t.Error(first)
	}
	for want, in := range map[string]any{
		"n.Node: id is missing":                            map[string]any{"note": "x"},
		`n.Node: next.id: "two" is not a whole number`:     map[string]any{"id": 1, "next": map[string]any{"id": "two"}},
		"n.Node: customer is not a field of the schema":    map[string]any{"id": 1, "customer": "c"},
		`n.Node: "a string" is not an object`:              "a string",
		"n.Node: next: extra is not a field of the schema": map[string]any{"id": 1, "next": map[string]any{"id": 2, "extra": 1}},
	} {
		if _, err := e.Encode(in); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Every event that fits comes back from goavro with the same values.
func TestPaymentRoundTrip(t *testing.T) {
	s, err := avro.Load("configs/avro/payment.avsc")
	if err != nil {
		t.Fatal(err)
	}
	e := encoder(t, s.JSON)
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(-999_999_999_999_999, 999_999_999_999_999).Draw(t, "cents")
		ms := rapid.Int64Range(-1e15, 1e15).Draw(t, "ms")
		order := rapid.String().Draw(t, "order")
		sign, abs := "", cents
		if cents < 0 {
			sign, abs = "-", -cents
		}
		in := map[string]any{
			"event_id": "e", "event_time": ms, "order_id": order, "payment_sequential": 1,
			"payment_type": "voucher", "payment_installments": json.Number("3"),
			"payment_value":  json.Number(fmt.Sprintf("%s%d.%02d", sign, abs/100, abs%100)),
			"payment_status": "approved",
		}
		data, err := e.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		codec, err := goavro.NewCodec(s.JSON)
		if err != nil {
			t.Fatal(err)
		}
		v, _, err := codec.NativeFromBinary(data)
		if err != nil {
			t.Fatal(err)
		}
		out := v.(map[string]any)
		if out["payment_value"].(*big.Rat).Cmp(big.NewRat(cents, 100)) != 0 ||
			out["event_time"].(time.Time).UnixMilli() != ms || out["order_id"] != order {
			t.Fatal(out)
		}
	})
}

func TestProcessor(t *testing.T) {
	conf, err := spec().ParseYAML(`
schemas: { olist.orders: configs/avro/order.avsc }
framing: confluent
schema_ids: { olist.orders: 258 }
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProcessor(conf, service.MockResources())
	if err != nil {
		t.Fatal(err)
	}
	msg := service.NewMessage([]byte(`{"event_id":"e","event_time":"2017-07-09T21:57:05Z","order_id":"o","customer_id":"c","order_status":"created"}`))
	msg.MetaSet("kafka_topic", "olist.orders")
	out, err := p.Process(context.Background(), msg)
	if err != nil {
		t.Fatal(err)
	}
	data, err := out[0].AsBytes()
	if err != nil || string(data[:5]) != "\x00\x00\x00\x01\x02" {
		t.Errorf("%x %v", data, err)
	}
	if name, _ := out[0].MetaGet("schema"); name != "olist.OrderCreated" {
		t.Error(name)
	}
	for want, m := range map[string][2]string{
		`topic "olist.items" has no schema here`:                        {"olist.items", `{}`},
		"olist.OrderCreated: event_id is missing":                       {"olist.orders", `{}`},
		"no structured message":                                         {"olist.orders", `garbage`},
		`olist.OrderCreated: event_time: "now" is not an RFC 3339 time`: {"olist.orders", `{"event_id":"e","event_time":"now"}`},
	} {
		msg := service.NewMessage([]byte(m[1]))
		msg.MetaSet("kafka_topic", m[0])
		if _, err := p.Process(context.Background(), msg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, tc := range []struct{ conf, want string }{
		{`schemas: {}`, "at least one topic"},
		{`schemas: { a: configs/avro/nonesuch.avsc }`, "schemas.a: schema configs/avro/nonesuch.avsc: there is no such file"},
		{"schemas: { a: configs/avro/order.avsc }\nframing: confluent", "or a schema id for topic a"},
		{"schemas: { a: configs/avro/order.avsc }\nframing: confluent\nschema_ids: { a: -4 }", "out of range"},
	} {
		conf, err := spec().ParseYAML(tc.conf, nil)
		if err == nil {
			_, err = newProcessor(conf, service.MockResources())
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.conf, err, tc.want)
		}
	}
}

func TestLint(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for conf, want := range map[string]string{
		"avro_encode: { schemas: { a: b } }":                                                 "",
		"avro_encode: { schemas: {} }":                                                       "at least one topic",
		"avro_encode: { schemas: { a: b }, framing: json }":                                  "json",
		"avro_encode: { schemas: { a: b }, framing: confluent }":                             "schema_ids",
		"avro_encode: { schemas: { a: b }, framing: confluent, schema_ids: { a: 1 } }":       "",
		"avro_encode: { schemas: { a: b, c: d }, framing: confluent, schema_ids: { a: 1 } }": "schema_ids",
	} {
		lints, err := linter.LintProcessorYAML([]byte(conf))
		if err != nil {
			t.Fatal(conf, err)
		}
		got := fmt.Sprint(lints)
		if (want == "") != (len(lints) == 0) || !strings.Contains(got, want) {
			t.Errorf("%s: %s", conf, got)
		}
	}
}
