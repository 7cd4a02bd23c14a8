package avrodecode

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

func compiled(t testing.TB, text string) *Decoder {
	t.Helper()
	s, err := avro.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// asJSON is the text that v has in JSON, for values whose Go types differ.
func asJSON(t *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%v: %v", v, err)
	}
	return string(text)
}

// TestDecodesLikeGoavro: whatever the schema, a record has the values that goavro
// reads from it; cut short or with bytes after it, it is refused.
func TestDecodesLikeGoavro(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &maker{}
		root := m.record(t, 3)
		text, err := json.Marshal(root.schema)
		if err != nil {
			t.Fatal(err)
		}
		codec, err := goavro.NewCodec(string(text))
		if err != nil {
			t.Skip(err) // goavro mixes up decimals of different scale, and such
		}
		s, err := avro.Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		d, err := Compile(s)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for range 5 {
			b, err := codec.BinaryFromNative(nil, root.draw(t))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			native, _, err := codec.NativeFromBinary(b)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			want := map[string]any{}
			root.flatten("", native.(map[string]any), want)
			checkDecoded(t, string(text), d, b, want)
		}
	})
}

func checkDecoded(t *rapid.T, schema string, d *Decoder, b []byte, want map[string]any) {
	values := make([]event.Value, d.Len())
	if err := d.Decode(b, values); err != nil {
		for _, v := range want {
			if !finite(v) {
				return // an array with a NaN in it
			}
		}
		t.Fatalf("%s: %v", schema, err)
	}
	if len(want) != d.Len() || len(d.Schema.Fields) != d.Len() {
		t.Fatalf("%s: fields %v, want %v", schema, d.Schema.Fields, want)
	}
	for i, f := range d.Schema.Fields {
		got := values[i].Any()
		if x, ok := got.(float64); ok {
			if y := want[f].(float64); math.Float64bits(x) != math.Float64bits(y) && !(math.IsNaN(x) && math.IsNaN(y)) {
				t.Fatalf("%s: %s is %v, want %v", schema, f, x, y)
			}
			continue
		}
		if g, w := asJSON(t, got), asJSON(t, want[f]); g != w {
			t.Fatalf("%s: %s is %s, want %s", schema, f, g, w)
		}
		if _, number := got.(json.Number); number != (reflect.TypeOf(want[f]) == reflect.TypeFor[json.Number]()) {
			t.Fatalf("%s: %s is a %T, want a %T", schema, f, got, want[f])
		}
	}
	if err := d.Decode(append(b[:len(b):len(b)], 0), values); err == nil {
		t.Fatalf("%s: a byte that is left over is accepted", schema)
	}
	if len(b) > 0 {
		if err := d.Decode(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")], values); err == nil {
			t.Fatalf("%s: a record that is cut short is accepted", schema)
		}
	}
}

// wide has everything that a record can have.
const wide = `{"type":"record","name":"n.Wide","fields":[
	{"name":"id","type":"string"},
	{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"micros","type":["null",{"type":"long","logicalType":"timestamp-micros"}]},
	{"name":"day","type":{"type":"int","logicalType":"date"}},
	{"name":"money","type":{"type":"bytes","logicalType":"decimal","precision":15,"scale":2}},
	{"name":"huge","type":{"type":"fixed","name":"Huge","size":12,"logicalType":"decimal","precision":28,"scale":20}},
	{"name":"ok","type":"boolean"},
	{"name":"f","type":"float"},
	{"name":"d","type":["double","null"]},
	{"name":"color","type":{"type":"enum","name":"Color","symbols":["red","green"]}},
	{"name":"raw","type":"bytes"},
	{"name":"four","type":{"type":"fixed","name":"Four","size":4}},
	{"name":"inner","type":{"type":"record","name":"Inner","fields":[{"name":"n","type":"int"},{"name":"deep","type":{"type":"record","name":"Deep","fields":[{"name":"s","type":"string"}]}}]}},
	{"name":"maybe","type":["null","Inner"]},
	{"name":"list","type":{"type":"array","items":["null","long","string",{"type":"array","items":"Inner"}]}},
	{"name":"nulls","type":{"type":"array","items":"null"}},
	{"name":"empties","type":{"type":"array","items":{"type":"record","name":"Empty","fields":[]}}},
	{"name":"m","type":{"type":"map","values":{"type":"map","values":"double"}}},
	{"name":"tree","type":["null",{"type":"record","name":"Tree","fields":[{"name":"kids","type":{"type":"array","items":"Tree"}}]}]}
]}`

// decodeGarbage decodes b with d and checks what must hold whatever the bytes are.
func decodeGarbage(t interface {
	Helper()
	Fatalf(string, ...any)
}, d *Decoder, b []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	values := make([]event.Value, d.Len())
	err := d.Decode(b, values)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > maxAlloc+uint64(len(b))*maxAllocPerByte {
		t.Fatalf("%d bytes made it allocate %d", len(b), n)
	}
	if err != nil {
		return
	}
	row := event.Row{Schema: d.Schema, Values: values}
	if _, err := json.Marshal(row.Map()); err != nil && !strings.Contains(err.Error(), "NaN") && !strings.Contains(err.Error(), "Inf") {
		t.Fatalf("what it decoded cannot be told in JSON: %v", err)
	}
}

// A record may take a few hundred times its size to decode, when it is made of empty lists.
const (
	maxAlloc        = 4 << 20
	maxAllocPerByte = 4096
)

func TestGarbage(t *testing.T) {
	d := compiled(t, wide)
	rapid.Check(t, func(t *rapid.T) {
		decodeGarbage(t, d, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "b"))
	})
	rapid.Check(t, func(t *rapid.T) { // valid up to the place where lists begin
		b := widePrefix(rapid.Bool().Draw(t, "d is null"))
		b = append(b, rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 6, 0x80, 0xff, 0x7f}), 0, 60).Draw(t, "b")...)
		decodeGarbage(t, d, b)
	})
}

// widePrefix encodes the fields of wide before its lists.
func widePrefix(null bool) []byte {
	b := []byte{2, 'x'}    // id
	b = append(b, 0, 0, 0) // at, micros, day
	b = append(b, 2, 5)    // money
	b = append(b, make([]byte, 12)...)
	b = append(b, 1, 0, 0, 0, 0) // ok, f
	if null {
		b = append(b, 2) // d
	} else {
		b = append(append(b, 0), make([]byte, 8)...)
	}
	b = append(b, 0, 2, 'r', 1, 2, 3, 4) // color, raw, four
	return append(b, 2, 0, 0)            // inner, maybe
}

func FuzzDecode(f *testing.F) {
	d := compiled(f, wide)
	f.Add([]byte{})
	f.Add(append(widePrefix(true), 0, 0, 0, 0, 0, 0))
	f.Add(append(widePrefix(false), 2, 2, 2, 0, 2, 0, 0, 4, 0, 0, 0, 2, 2, 0, 0))
	f.Add(append(widePrefix(true), 0, 0xfe, 0xff, 0xff, 0x01, 0xfe, 0xff, 0xff, 0x01, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) { decodeGarbage(t, d, b) })
}

func varint(n int64) []byte { return binary.AppendVarint(nil, n) }

// TestHostile: few bytes that ask for much.
func TestHostile(t *testing.T) {
	const tree = `{"type":"record","name":"Root","fields":[{"name":"root","type":["null",{"type":"record","name":"Tree","fields":[{"name":"kids","type":{"type":"array","items":"Tree"}}]}]}]}`
	field := func(t string) string {
		return `{"type":"record","name":"R","fields":[{"name":"f","type":` + t + `}]}`
	}
	repeat := func(b []byte, n int) []byte { return []byte(strings.Repeat(string(b), n)) }
	for name, c := range map[string]struct {
		schema string
		b      []byte
	}{
		"a tree of a million levels":     {tree, append([]byte{2}, repeat([]byte{2}, 1_000_000)...)},
		"a billion nulls":                {field(`{"type":"array","items":"null"}`), append(repeat(varint(1<<20), 1000), 0)},
		"a billion empty records":        {field(`{"type":"array","items":{"type":"record","name":"E","fields":[]}}`), append(repeat(varint(1<<20), 1000), 0)},
		"a billion bytes":                {field(`"string"`), varint(1 << 30)},
		"a billion items":                {field(`{"type":"array","items":"long"}`), varint(1 << 30)},
		"a negative count":               {field(`{"type":"array","items":"long"}`), varint(math.MinInt64)},
		"a block's size that is missing": {field(`{"type":"array","items":"long"}`), varint(-1)},
		"a negative length":              {field(`"bytes"`), varint(-1)},
		"a number without end":           {field(`"long"`), repeat([]byte{0xff}, 30)},
		"a boolean of 2":                 {field(`"boolean"`), []byte{2}},
		"an int of 33 bits":              {field(`"int"`), varint(1 << 31)},
		"a date in the year 5 million":   {field(`{"type":"int","logicalType":"date"}`), varint(math.MaxInt32)},
		"a time in the year 292 million": {field(`{"type":"long","logicalType":"timestamp-millis"}`), varint(math.MaxInt64)},
		"micros before the year 1":       {field(`{"type":"long","logicalType":"timestamp-micros"}`), varint(math.MinInt64)},
		"a fourth branch of three":       {field(`["null","long","string"]`), varint(3)},
		"a branch before the first":      {field(`["null","long"]`), varint(-1)},
		"an unknown symbol":              {field(`{"type":"enum","name":"E","symbols":["a"]}`), varint(1)},
		"a decimal of 72 bits":           {field(`{"type":"bytes","logicalType":"decimal","precision":30,"scale":2}`), append(varint(9), 1, 0, 0, 0, 0, 0, 0, 0, 0)},
		"a decimal that turns its sign":  {field(`{"type":"bytes","logicalType":"decimal","precision":30,"scale":2}`), append(varint(9), 0, 0xff, 0, 0, 0, 0, 0, 0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			d := compiled(t, c.schema)
			decodeGarbage(t, d, c.b)
			if err := d.Decode(c.b, make([]event.Value, d.Len())); err == nil {
				t.Error("is accepted")
			} else if !strings.HasPrefix(err.Error(), "not Avro of "+d.Schema.Name+": field ") {
				t.Errorf("the error does not name the field: %v", err)
			}
		})
	}
}

// TestBlocks: a list may come in several blocks, and one that a writer could skip
// tells its size in bytes.
func TestBlocks(t *testing.T) {
	d := compiled(t, `{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"array","items":"long"}},{"name":"g","type":{"type":"map","values":"int"}}]}`)
	b := []byte{4, 2, 4, 3, 4, 6, 8, 0} // [1 2] and, counted as -2 with a size of 2, [3 4]
	b = append(b, 1, 6, 2, 'a', 2, 2, 2, 'b', 4, 0)
	values := make([]event.Value, 2)
	if err := d.Decode(b, values); err != nil {
		t.Fatal(err)
	}
	if values[0].Str() != "[1,2,3,4]" || values[1].Str() != `{"a":1,"b":2}` {
		t.Errorf("%v", values)
	}
}

func TestCompileRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`"string"`: "is no record",
		`{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}`:                                                             "contains itself",
		`{"type":"record","name":"A","fields":[{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}}]}`: "contains itself",
	} {
		s, err := avro.Parse(text)
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if _, err := Compile(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTruncatedNamesTheField: the error of a record that is cut short says where.
func TestTruncatedNamesTheField(t *testing.T) {
	d := compiled(t, `{"type":"record","name":"n.R","fields":[{"name":"a","type":"long"},{"name":"in","type":{"type":"record","name":"In","fields":[{"name":"b","type":"string"}]}}]}`)
	err := d.Decode([]byte{2, 10, 'x'}, make([]event.Value, 2))
	if !errors.Is(err, errShort) || err.Error() != "not Avro of n.R: field in.b: it ends in the middle of a field" {
		t.Error(err)
	}
	err = d.Decode([]byte{2, 2, 'x', 0}, make([]event.Value, 2))
	if err == nil || err.Error() != "not Avro of n.R: 1 bytes are left over" {
		t.Error(err)
	}
}
