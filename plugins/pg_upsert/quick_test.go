package pgupsert

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// allTypes are the types of column that the output writes, in order.
func allTypes() (all []columnType) {
	for name := range scalarTypes {
		for _, n := range []string{name, name + "[]"} {
			if t, ok := typeOf(n); ok {
				all = append(all, t)
			}
		}
	}
	slices.SortFunc(all, func(a, b columnType) int { return strings.Compare(a.name, b.name) })
	return all
}

// edges are values at which texts change their form.
func edges() []event.Value {
	values := []event.Value{
		{}, event.BoolOf(true), event.BoolOf(false),
		event.FloatOf(0), event.FloatOf(math.Copysign(0, -1)), event.FloatOf(0.1), event.FloatOf(3), event.FloatOf(-1e300), event.FloatOf(1e-300), event.FloatOf(1 << 53),
		event.FloatOf(math.NaN()), event.FloatOf(math.Inf(1)), event.FloatOf(math.Inf(-1)), event.FloatOf(math.MaxFloat64), event.FloatOf(1e21),
		event.JSONOf(`[]`), event.JSONOf(`{}`), event.JSONOf(`["a",null,"b\"c\\"]`), event.JSONOf(`[1,2.50,"3"]`), event.JSONOf(`[true]`), event.JSONOf(`[[1]]`), event.JSONOf(`{"a":"<&>"}`),
		event.JSONOf(`["2018-01-31T00:00:00Z"]`), event.JSONOf(`[1.5,1e3]`), event.JSONOf(`broken`), event.JSONOf("br\x00ken"), event.JSONOf(`"text"`), event.JSONOf(`null`), event.JSONOf(`7`),
	}
	for _, n := range []int64{0, 1, -1, 99, math.MaxInt16, math.MinInt16, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		for _, d := range []int64{-1, 0, 1} {
			values = append(values, event.IntOf(n+d))
		}
		for _, scale := range []uint8{0, 1, 2, event.MaxScale} {
			values = append(values, event.DecimalOf(n, scale))
		}
	}
	for _, s := range []string{
		"", " ", "a", "NULL", `q"\,{}`, "a\x00", "a\xff", "é", "12", " 12 ", "12.0", "1e3", "1.50", "-.5", "abc", "true", "False", "NaN", "Infinity", "infinity", "now",
		"2018-01-31", "2018-01-31 23:59:58.5", "2018-01-31T23:59:58+01:00", "9223372036854775808",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B810-9dad-11d1-80b4-00c04fd430c8", "6ba7b8109dad11d180b400c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b81009dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
		"------------------------------------", strings.Repeat("x", 5000),
	} {
		values = append(values, event.StringOf(s))
	}
	for _, year := range []int64{-62135596800000, 253402300799999, 253402300800000, -62167219200000} { // the years 1, 9999, 10000 and 0
		for _, d := range []int64{-1, 0, 1, 10, 100, 999, 1000} {
			values = append(values, event.TimestampOf(event.Time(year+d)))
		}
	}
	for _, ms := range []int64{0, -1, 1, 10, 120, 1517443198000, 951782400000 /* a leap day */} {
		values = append(values, event.TimestampOf(event.Time(ms)))
	}
	return values
}

func anyValue() *rapid.Generator[event.Value] {
	return rapid.OneOf(
		rapid.SampledFrom(edges()),
		rapid.Map(rapid.Int64(), event.IntOf),
		rapid.Custom(func(t *rapid.T) event.Value {
			return event.DecimalOf(rapid.Int64().Draw(t, "unscaled"), uint8(rapid.IntRange(0, event.MaxScale).Draw(t, "scale")))
		}),
		rapid.Map(rapid.Float64(), event.FloatOf),
		rapid.Map(rapid.String(), event.StringOf),
		rapid.Map(rapid.Int64Range(-1e14, 1e15), func(ms int64) event.Value { return event.TimestampOf(event.Time(ms)) }),
	)
}

// same tells whether the quick way says of a value what the long one says.
func same(s *texts, typ columnType, v event.Value) error {
	got, gotErr := s.cell(typ, v)
	want, wantErr := wiredOf(typ, v.Any())
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || wantErr == nil && got != want {
		return fmt.Errorf("%s of %#v: got %+v and error %v, want %+v and error %v", typ.name, v.Any(), got, gotErr, want, wantErr)
	}
	return nil
}

func TestQuickIsTheLongWay(t *testing.T) {
	var s texts
	for _, typ := range allTypes() {
		for _, v := range edges() {
			if err := same(&s, typ, v); err != nil {
				t.Error(err)
			}
		}
	}
	types := allTypes()
	rapid.Check(t, func(t *rapid.T) {
		if err := same(&s, rapid.SampledFrom(types).Draw(t, "type"), anyValue().Draw(t, "value")); err != nil {
			t.Fatal(err)
		}
	})
}

// The kinds of value that columns usually take go the quick way.
func TestQuickKnowsTheUsual(t *testing.T) {
	for name, v := range map[string]event.Value{
		"smallint": event.IntOf(5), "integer": event.IntOf(-5), "bigint": event.IntOf(math.MinInt64), "numeric": event.DecimalOf(-5, 2),
		"double precision": event.FloatOf(0.1), "real": event.FloatOf(0.1), "text": event.StringOf("é"), "boolean": event.BoolOf(true),
		"timestamp with time zone": event.TimestampOf(1517443198120), "uuid": event.StringOf("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
	} {
		var s texts
		if _, ok := s.quick(typeNamed(t, name), v); !ok {
			t.Errorf("%s goes the long way", name)
		}
	}
}

// Texts stay as they are while others are added.
func TestTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s texts
		in := rapid.SliceOfN(rapid.IntRange(0, 3000), 0, 200).Draw(t, "lengths")
		kept := make([]string, len(in))
		for i, n := range in {
			s.scratch = append(s.scratch[:0], strings.Repeat(string(rune('a'+i%26)), n)...)
			kept[i] = s.keep(s.scratch)
		}
		for i, n := range in {
			if kept[i] != strings.Repeat(string(rune('a'+i%26)), n) {
				t.Fatalf("text %d has changed", i)
			}
		}
	})
}

// drawn is a plan over some columns, and rows some of whose fields are its columns.
func drawn(t *rapid.T) (*plan, []event.Row) {
	names := []string{"a", "b", "c", "a.b", "seq.x", "d"}
	types := allTypes()
	p := &plan{ledger: rapid.Bool().Draw(t, "ledger")}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 4, strings.Clone).Draw(t, "columns") {
		p.types = append(p.types, rapid.SampledFrom(types).Draw(t, "type"))
		p.rows.cols = append(p.rows.cols, column{name, p.types[len(p.types)-1]})
	}
	p.keys = rapid.SliceOfNDistinct(rapid.IntRange(0, len(p.types)-1), 1, 3, func(i int) int { return i }).Draw(t, "key")
	if p.ledger {
		p.rows.cols = append(p.rows.cols, column{colSeq, typeBigint})
	}
	few := rapid.SampledFrom([]event.Value{event.IntOf(1), event.DecimalOf(100, 2), event.StringOf("1")}) // so that keys meet
	fields := []string{"a", "b", "c", "d", "e", "a.b", "b.c", "c.x.y", "c.z", ".d", "d."}
	var schemas []*event.Schema
	for range 3 {
		schemas = append(schemas, event.NewSchema("s", rapid.SliceOfNDistinct(rapid.SampledFrom(fields), 0, 6, strings.Clone).Draw(t, "fields")...))
	}
	rows := make([]event.Row, rapid.IntRange(0, 20).Draw(t, "rows"))
	for i := range rows {
		rows[i].Schema = schemas[i/4%3] // in runs, as operators emit them
		for range rows[i].Schema.Fields {
			rows[i].Values = append(rows[i].Values, rapid.OneOf(few, anyValue()).Draw(t, "value"))
		}
	}
	return p, rows
}

func stamped(m *service.Message, generation, seq int64) *service.Message {
	m.MetaSetMut(host.MetaStream, "s")
	m.MetaSetMut(host.MetaTask, int64(2))
	m.MetaSetMut(host.MetaGeneration, generation)
	m.MetaSetMut(host.MetaSeq, seq)
	return m
}

// A batch of bundles is the batch of the single messages: the same origins, rows,
// keys, refusals and statements, whatever the columns and however rows are bundled.
func TestBundlesAreSingleMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, rows := drawn(t)
		var single, bundles service.MessageBatch
		var open *host.Bundle
		for i := range rows {
			m := service.NewMessage(nil)
			m.SetStructuredMut(rows[i].Map())
			generation := int64(i / 8) // two origins or three
			single = append(single, stamped(m, generation, int64(i+1)))
			if rapid.IntRange(0, 5).Draw(t, "how") == 0 {
				bundles, open = append(bundles, single[i]), nil // side by side with a message of its own
				continue
			}
			if open == nil || open.Schema != rows[i].Schema || i%8 == 0 {
				open = &host.Bundle{Schema: rows[i].Schema}
				m := service.NewMessage(nil)
				m.SetStructuredMut(open)
				bundles = append(bundles, stamped(m, generation, 0))
			}
			open.Rows, open.Seqs = append(open.Rows, rows[i]), append(open.Seqs, int64(i+1))
		}
		describe := func(batch service.MessageBatch) (lines []string) {
			groups, lost := split(batch, p, &filler{plan: p})
			lines = append(lines, fmt.Sprint(lost))
			w := &writer{cfg: config{table: tableName{name: "t"}, ledger: p.ledger}, streamName: "name"}
			for _, g := range groups {
				heads := coalesce(g.rows)
				for _, r := range heads {
					line := fmt.Sprintf("%q", r.key)
					for ; r != nil; r = r.older {
						content, err := contentOf(batch[r.index], r)
						line += fmt.Sprint(" ", r.seq, r.cells, payloadOf(batch[r.index], content, err))
					}
					lines = append(lines, line)
				}
				lines = append(lines, fmt.Sprint(g.origin, p.rows.args(g.origin, cellsOf(heads))))
				for _, r := range g.refused {
					l := w.letterOf(g.origin, batch[r.row.index], r)
					lines = append(lines, fmt.Sprintf("%v %+v", r.cause, l))
				}
			}
			return lines
		}
		got, want := describe(bundles), describe(single)
		if !slices.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// Schemas that come and go do not pile up.
func TestLayoutsAreBounded(t *testing.T) {
	p := benchPlan()
	for range 10 * maxLayouts {
		s := event.NewSchema("s", "payments")
		if l := p.layoutOf(s); l != p.layoutOf(s) {
			t.Fatal("laid out twice")
		}
		if len(p.layouts.of) > maxLayouts {
			t.Fatalf("%d layouts", len(p.layouts.of))
		}
	}
}
