package host

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// anyRow draws a row as operators pass them on.
func anyRow(t *rapid.T) event.Row {
	r := event.Row{Time: event.Time(rapid.Int64().Draw(t, "time")), Watermark: event.Time(rapid.Int64().Draw(t, "watermark"))}
	fields := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c]{1,2}(\.[x-z])?`), 0, 5, strings.Clone).Draw(t, "fields")
	for i, f := range fields { // a field is not the parent of another
		for _, g := range fields[:i] {
			if strings.HasPrefix(f, g+".") || strings.HasPrefix(g, f+".") {
				fields[i] = fmt.Sprint("f", i)
			}
		}
		var v event.Value
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			v = event.IntOf(rapid.Int64().Draw(t, "int"))
		case 1:
			v = event.DecimalOf(rapid.Int64().Draw(t, "unscaled"), uint8(rapid.IntRange(1, event.MaxScale).Draw(t, "scale")))
		case 2:
			v = event.StringOf(rapid.String().Draw(t, "string"))
		case 3:
			v = event.TimestampOf(event.Time(rapid.Int64Range(-1e13, 1e14).Draw(t, "at")))
		case 4:
			v = event.BoolOf(rapid.Bool().Draw(t, "bool"))
		case 5:
			v = event.JSONOf(`[1,"a",{"b":null}]`)
		}
		r.Values = append(r.Values, v)
	}
	r.Schema = event.NewSchema(rapid.SampledFrom([]string{"", "olist.OrderCreated"}).Draw(t, "name"), fields...)
	if rapid.Bool().Draw(t, "source") {
		r.Source = &event.Source{Topic: "t", Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset")}
		if rapid.Bool().Draw(t, "key") {
			r.Source.Key = []byte(rapid.String().Draw(t, "key"))
		}
		for _, h := range []string{"a", "event_type", "kafka_offset", "tidemark_operator", "z"} {
			if rapid.Bool().Draw(t, "has "+h) {
				r.Source.Headers = append(r.Source.Headers, event.Header{Key: h, Value: []byte(rapid.String().Draw(t, h))})
			}
		}
	}
	return r
}

// TestMessageRoundTrip: a row that becomes a message for a stock processor is the
// same row behind it, but for headers that bear the names of our own metadata.
func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewRows()
		r := anyRow(t)
		m := ToMessage(&r)
		if rapid.Bool().Draw(t, "copied") {
			m = m.DeepCopy()
		}
		back, err := c.FromMessage(m)
		if err != nil {
			t.Fatal(err)
		}
		if back.Time != r.Time || back.Watermark != r.Watermark || back.Schema.Name != r.Schema.Name {
			t.Fatalf("%+v came back as %+v", r, back)
		}
		if got, want := back.Map(), r.Map(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v came back as %v", want, got)
		}
		for _, f := range r.Schema.Fields {
			if got, want := back.Get(f), r.Get(f); got != want {
				t.Fatalf("%s: %#v came back as %#v", f, want, got)
			}
		}
		if r.Source == nil {
			if back.Source != nil {
				t.Fatalf("a source %+v", back.Source)
			}
			return
		}
		want := *r.Source
		want.Headers = nil
		for _, h := range r.Source.Headers {
			if h.Key != "kafka_offset" && h.Key != "tidemark_operator" {
				want.Headers = append(want.Headers, h)
			}
		}
		if !reflect.DeepEqual(*back.Source, want) {
			t.Fatalf("the source %+v came back as %+v", want, *back.Source)
		}
	})
}

// TestRawRoundTrip: a payload that nobody decoded keeps its bytes.
func TestRawRoundTrip(t *testing.T) {
	for _, value := range []string{"", "garbage", "\x00\xff", `[1,2]`, `"text"`, `12`, `null`} {
		r := event.Row{Time: 1, Watermark: event.MinTime, Source: &event.Source{Topic: "t", Offset: 3, Value: []byte(value)}}
		back, err := NewRows().FromMessage(ToMessage(&r))
		if err != nil || back.Schema != nil || string(back.Source.Value) != value || back.Source.Offset != 3 || back.Watermark != event.MinTime {
			t.Errorf("%q: %+v %v", value, back, err)
		}
	}
	// An object is taken for what it is: a stock processor may have made it.
	r := event.Row{Time: 1, Source: &event.Source{Topic: "t", Value: []byte(`{"a":1}`)}}
	back, err := NewRows().FromMessage(ToMessage(&r))
	if err != nil || back.Get("a") != event.IntOf(1) {
		t.Errorf("%+v %v", back, err)
	}
	m := service.NewMessage([]byte("text"))
	m.MetaSetMut(MetaTimestamp, 5)
	if back, err = NewRows().FromMessage(m); err != nil || string(back.Text()) != "text" || back.Watermark != event.MinTime {
		t.Errorf("%+v %v", back, err)
	}
}

// TestHeadersDoNotPassForOurs: outputs route messages by our metadata, so a producer
// must not be able to set it.
func TestHeadersDoNotPassForOurs(t *testing.T) {
	r := event.Row{Time: 1, Source: &event.Source{Topic: "t", Value: []byte("x"), Headers: []event.Header{
		{Key: MetaOperator, Value: []byte("x")}, {Key: MetaKind, Value: []byte("x")}, {Key: MetaKey, Value: []byte("x")}, {Key: MetaTopic, Value: []byte("x")}, {Key: "event_type", Value: []byte("x")},
	}}}
	m := ToMessage(&r)
	for key, want := range map[string]string{MetaOperator: "", MetaKind: "", MetaKey: "", MetaTopic: "t", "event_type": "x"} {
		if got, ok := m.MetaGet(key); got != want || ok != (want != "") {
			t.Errorf("%s is %q", key, got)
		}
	}
}

func TestFromMessageTimes(t *testing.T) {
	for _, c := range []struct {
		ts   any
		want event.Time
		err  string
	}{
		{int64(5), 5, ""}, {5, 5, ""}, {5.0, 5, ""}, {"5", 5, ""}, {json.Number("5"), 5, ""}, {"-5", -5, ""},
		{"2018-01-01T00:00:00Z", 0, "no event time: metadata kafka_timestamp_ms is "}, {"", 0, "no event time: "}, {true, 0, "no event time: "}, {nil, 0, "no event time: "},
		{json.Number("5.5"), 0, "no event time: "},
	} {
		m := service.NewMessage([]byte("{}"))
		m.MetaSetMut(MetaTimestamp, c.ts)
		r, err := NewRows().FromMessage(m)
		if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) || r.Time != c.want {
			t.Errorf("%v (%T): %v %v", c.ts, c.ts, r.Time, err)
		}
	}
	if _, err := NewRows().FromMessage(service.NewMessage(nil)); err == nil || err.Error() != "no event time: metadata kafka_timestamp_ms is missing" {
		t.Error(err)
	}
}

func TestDeadLetter(t *testing.T) {
	schema := event.NewSchema("x", "a", "at")
	source := &event.Source{Topic: "t", Partition: 2, Offset: 9, Value: []byte("raw")}
	at := event.Time(1_514_800_805_123)
	for name, c := range map[string]struct {
		row     event.Row
		payload string
		where   []any // topic, partition, offset
		time    any
	}{
		"decoded":              {event.Row{Time: at, Schema: schema, Values: []event.Value{event.DecimalOf(150, 2), event.TimestampOf(0)}, Source: source}, `{"a":1.50,"at":"1970-01-01T00:00:00Z"}`, []any{"t", int64(2), int64(9)}, at.UTC()},
		"undecoded":            {event.Row{Time: at, Source: source}, "raw", []any{"t", int64(2), int64(9)}, at.UTC()},
		"of no record":         {event.Row{Time: at, Schema: schema, Values: []event.Value{{}, {}}}, `{"a":null,"at":null}`, []any{"", int64(-1), int64(-1)}, at.UTC()},
		"of nothing":           {event.Row{Time: at}, "", []any{"", int64(-1), int64(-1)}, at.UTC()},
		"binary":               {event.Row{Time: at, Source: &event.Source{Topic: "t", Value: []byte{0xc3, 0x01, 0xff}}}, `\xc301ff`, []any{"t", int64(0), int64(0)}, at.UTC()},
		"text with a zero":     {event.Row{Time: at, Source: &event.Source{Topic: "t", Value: []byte("a\x00b")}}, `\x610062`, []any{"t", int64(0), int64(0)}, at.UTC()},
		"text with an accent":  {event.Row{Time: at, Source: &event.Source{Topic: "t", Value: []byte("é")}}, `é`, []any{"t", int64(0), int64(0)}, at.UTC()},
		"a field with a zero":  {event.Row{Time: at, Schema: schema, Values: []event.Value{event.StringOf("a\x00b"), {}}, Source: source}, `{"a":"a\u0000b","at":null}`, []any{"t", int64(2), int64(9)}, at.UTC()},
		"beyond the year 9999": {event.Row{Time: 253_402_300_800_000, Source: source}, "raw", []any{"t", int64(2), int64(9)}, nil},
		"at the year 9999":     {event.Row{Time: 253_402_300_799_999, Source: source}, "raw", []any{"t", int64(2), int64(9)}, time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)},
		"at the end of time":   {event.Row{Time: event.MaxTime, Source: source}, "raw", []any{"t", int64(2), int64(9)}, nil},
		"before the year 1":    {event.Row{Time: math.MinInt64 + 1, Source: source}, "raw", []any{"t", int64(2), int64(9)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := DeadLetter(&task.Reject{Operator: "dedup", Reason: task.Late, Detail: "too old", Row: c.row})
			v, err := m.AsStructured()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"event_time": c.time, "reason": "late", "detail": "dedup: too old", "payload": c.payload,
				"topic": c.where[0], "partition": c.where[1], "offset": c.where[2],
			}
			if !reflect.DeepEqual(v, want) {
				t.Errorf("%v\nwant %v", v, want)
			}
			if _, err := m.AsBytes(); err != nil {
				t.Errorf("it cannot be told in JSON: %v", err)
			}
			for key, want := range map[string]string{MetaKind: KindDeadLetter, MetaOperator: "dedup"} {
				if got, _ := m.MetaGet(key); got != want {
					t.Errorf("%s is %q", key, got)
				}
			}
		})
	}
}
