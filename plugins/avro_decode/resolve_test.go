package avrodecode

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	hamba "github.com/hamba/avro/v2"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

func rec(fields string) string {
	return `{"type":"record","name":"n.R","fields":[` + fields + `]}`
}

func field(name, typ string) string { return `{"name":"` + name + `","type":` + typ + `}` }

// resolved is the decoder for records of w as rows of r.
func resolved(t testing.TB, w, r string) (*Decoder, error) {
	t.Helper()
	writer, err := avro.ParseType(w)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := avro.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return Resolve(writer, reader)
}

// decodedBy is the row that a record becomes, as JSON, or "! " and why there is none.
func decodedBy(d *Decoder, b []byte) string {
	values := make([]event.Value, d.Len())
	if err := d.Decode(b, values); err != nil {
		return "! " + err.Error()
	}
	row := event.Row{Schema: d.Schema, Values: values}
	return string(row.Text())
}

func hambaSchema(t testing.TB, text string) hamba.Schema {
	t.Helper()
	s, err := hamba.ParseWithCache(text, "", &hamba.SchemaCache{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// TestResolution goes through the rules of the specification. Another implementation
// encodes, and where like is set says what it reads by the same two schemas.
func TestResolution(t *testing.T) {
	const (
		color  = `{"type":"enum","name":"Color","symbols":["red","green","blue"]}`
		fewer  = `{"type":"enum","name":"Color","symbols":["blue","red"]}`
		other  = `{"type":"enum","name":"Color","symbols":["grey","blue"],"default":"grey"}`
		millis = `{"type":"long","logicalType":"timestamp-millis"}`
		micros = `{"type":"long","logicalType":"timestamp-micros"}`
		money  = `{"type":"bytes","logicalType":"decimal","precision":15,"scale":2}`
		inner  = `{"type":"record","name":"In","fields":[{"name":"x","type":"int"},{"name":"y","type":"string"}]}`
		slim   = `{"type":"record","name":"In","fields":[{"name":"y","type":"string"},{"name":"z","type":"int","default":3}]}`
	)
	when := time.UnixMilli(1_514_800_805_123).UTC()
	v := func(x any) map[string]any { return map[string]any{"a": x} }
	for name, c := range map[string]struct {
		w, r  string
		value map[string]any
		want  string
		like  bool
	}{
		"the same":          {rec(field("a", `"int"`)), rec(field("a", `"int"`)), v(1), `{"a":1}`, true},
		"reordered":         {rec(field("b", `"string"`) + "," + field("a", `"int"`)), rec(field("a", `"int"`) + "," + field("b", `"string"`)), map[string]any{"a": 1, "b": "x"}, `{"a":1,"b":"x"}`, true},
		"dropped":           {rec(field("b", `"string"`) + "," + field("a", `"int"`)), rec(field("a", `"int"`)), map[string]any{"a": 1, "b": "x"}, `{"a":1}`, true},
		"added":             {rec(field("a", `"int"`)), rec(field("a", `"int"`) + `,{"name":"b","type":"string","default":"new"}`), v(1), `{"a":1,"b":"new"}`, true},
		"added, optional":   {rec(field("a", `"int"`)), rec(field("a", `"int"`) + `,{"name":"b","type":["null","string"],"default":null}`), v(1), `{"a":1,"b":null}`, true},
		"added time":        {rec(field("a", `"int"`)), rec(field("a", `"int"`) + `,{"name":"b","type":` + millis + `,"default":1514800805123}`), v(1), `{"a":1,"b":"2018-01-01T10:00:05.123Z"}`, false},
		"added money":       {rec(field("a", `"int"`)), rec(field("a", `"int"`) + `,{"name":"b","type":` + money + `,"default":"\u0004\u00d2"}`), v(1), `{"a":1,"b":12.34}`, false},
		"added record":      {rec(field("a", `"int"`)), rec(field("a", `"int"`) + `,{"name":"b","type":` + slim + `,"default":{"y":"q"}}`), v(1), `{"a":1,"b":{"y":"q","z":3}}`, false},
		"added, no default": {rec(field("a", `"int"`)), rec(field("a", `"int"`) + "," + field("b", `"string"`)), v(1), `! its schema cannot be read as n.R: field b is missing, and has no default`, true},
		"alias":             {rec(field("old", `"int"`)), rec(`{"name":"a","type":"int","aliases":["old"]}`), map[string]any{"old": 1}, `{"a":1}`, true},
		"alias of another":  {rec(field("b", `"int"`)), rec(`{"name":"a","type":"int","aliases":["b"],"default":5},` + field("b", `"int"`)), map[string]any{"b": 1}, `{"a":5,"b":1}`, false},
		"another record":    {rec(field("a", `"int"`)), `{"type":"record","name":"n.Other","fields":[]}`, v(1), `! its schema cannot be read as n.Other: record n.R cannot be read as record n.Other`, true},
		"renamed record":    {rec(field("a", `"int"`)), `{"type":"record","name":"n.Other","aliases":["R"],"fields":[` + field("a", `"int"`) + `]}`, v(1), `{"a":1}`, true},
		"another namespace": {rec(field("a", `"int"`)), `{"type":"record","name":"m.R","fields":[` + field("a", `"long"`) + `]}`, v(1), `{"a":1}`, false},

		"int to long":     {rec(field("a", `"int"`)), rec(field("a", `"long"`)), v(-5), `{"a":-5}`, true},
		"int to float":    {rec(field("a", `"int"`)), rec(field("a", `"float"`)), v(1 << 20), `{"a":1048576}`, true},
		"int to double":   {rec(field("a", `"int"`)), rec(field("a", `"double"`)), v(3), `{"a":3}`, true},
		"long to float":   {rec(field("a", `"long"`)), rec(field("a", `"float"`)), v(int64(1<<24 + 1)), `{"a":16777216}`, true},
		"long to double":  {rec(field("a", `"long"`)), rec(field("a", `"double"`)), v(int64(9)), `{"a":9}`, true},
		"float to double": {rec(field("a", `"float"`)), rec(field("a", `"double"`)), v(float32(0.5)), `{"a":0.5}`, true},
		"string to bytes": {rec(field("a", `"string"`)), rec(field("a", `"bytes"`)), v("x"), `{"a":"x"}`, false},
		"bytes to string": {rec(field("a", `"bytes"`)), rec(field("a", `"string"`)), v([]byte("x")), `{"a":"x"}`, true},
		"long to int":     {rec(field("a", `"long"`)), rec(field("a", `"int"`)), v(int64(1)), `! its schema cannot be read as n.R: field a: long cannot be read as int`, true},
		"string to int":   {rec(field("a", `"string"`)), rec(field("a", `"int"`)), v("1"), `! its schema cannot be read as n.R: field a: string cannot be read as int`, true},

		"time, the same":     {rec(field("a", millis) + "," + field("b", `"int"`)), rec(field("a", millis)), map[string]any{"a": when, "b": 1}, `{"a":"2018-01-01T10:00:05.123Z"}`, false},
		"micros to millis":   {rec(field("a", micros)), rec(field("a", millis)), v(when), `{"a":"2018-01-01T10:00:05.123Z"}`, false},
		"long to time":       {rec(field("a", `"long"`)), rec(field("a", millis)), v(when.UnixMilli()), `{"a":"2018-01-01T10:00:05.123Z"}`, false},
		"int to time":        {rec(field("a", `"int"`)), rec(field("a", millis)), v(123), `{"a":"1970-01-01T00:00:00.123Z"}`, false},
		"time to long":       {rec(field("a", millis)), rec(field("a", `"long"`)), v(when), `{"a":1514800805123}`, false},
		"date to time":       {rec(field("a", `{"type":"int","logicalType":"date"}`)), rec(field("a", millis)), v(when), `! its schema cannot be read as n.R: field a: int (date) cannot be read as long (timestamp-millis)`, false},
		"money, more digits": {rec(field("a", money)), rec(field("a", `{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}`)), v(big.NewRat(1234, 100)), `{"a":12.34}`, false},
		"money, more places": {rec(field("a", money)), rec(field("a", `{"type":"bytes","logicalType":"decimal","precision":15,"scale":4}`)), v(big.NewRat(1234, 100)), `! its schema cannot be read as n.R: field a: decimal(15,2) cannot be read as decimal(15,4)`, false},
		"money to string":    {rec(field("a", money)), rec(field("a", `"string"`)), v(big.NewRat(1234, 100)), `! its schema cannot be read as n.R: field a: decimal(15,2) cannot be read as string`, false},

		"enum":                   {rec(field("a", color)), rec(field("a", fewer)), v("blue"), `{"a":"blue"}`, false},
		"enum, unknown":          {rec(field("a", color)), rec(field("a", fewer)), v("green"), `! not Avro of n.R: field a: an enum has no such symbol`, false},
		"enum, unknown, default": {rec(field("a", color)), rec(field("a", other)), v("green"), `{"a":"grey"}`, true},
		"fixed":                  {rec(field("a", `{"type":"fixed","name":"F","size":2}`)), rec(field("a", `{"type":"fixed","name":"F","size":3}`)), v([2]byte{'a', 'b'}), `! its schema cannot be read as n.R: field a: fixed n.F of 2 bytes cannot be read as fixed n.F of 3 bytes`, true},

		"becomes optional":            {rec(field("a", `"int"`)), rec(field("a", `["null","long"]`)), v(4), `{"a":4}`, false},
		"optional no more":            {rec(field("a", `["null","int"]`)), rec(field("a", `"long"`)), v(4), `{"a":4}`, false},
		"optional no more, null":      {rec(field("a", `["null","int"]`)), rec(field("a", `"long"`)), v(nil), `! not Avro of n.R: field a: the branch of a union cannot be read by the schema`, false},
		"null changes its place":      {rec(field("a", `["null","int"]`)), rec(field("a", `["int","null"]`)), v(4), `{"a":4}`, false},
		"exact branch before widened": {rec(field("a", `"int"`)), rec(field("a", `["double","int"]`)), v(4), `{"a":4}`, false},
		"no branch":                   {rec(field("a", `"string"`)), rec(field("a", `["null","int"]`)), v("x"), `! its schema cannot be read as n.R: field a: string cannot be read as [null, int]`, true},

		"nested":            {rec(field("a", inner)), rec(field("a", slim)), v(map[string]any{"x": 1, "y": "s"}), `{"a":{"y":"s","z":3}}`, true},
		"nested, dropped":   {rec(field("a", inner) + "," + field("b", `"int"`)), rec(field("b", `"int"`)), map[string]any{"a": map[string]any{"x": 1, "y": "s"}, "b": 2}, `{"b":2}`, true},
		"nested, in a list": {rec(field("a", `{"type":"array","items":`+inner+`}`)), rec(field("a", `{"type":"array","items":`+slim+`}`)), v([]any{map[string]any{"x": 1, "y": "s"}, map[string]any{"x": 2, "y": "t"}}), `{"a":[{"y":"s","z":3},{"y":"t","z":3}]}`, true},
		"map":               {rec(field("a", `{"type":"map","values":"int"}`)), rec(field("a", `{"type":"map","values":["null","double"]}`)), v(map[string]any{"k": 1}), `{"a":{"k":1}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			writer := hambaSchema(t, c.w)
			b, err := hamba.Marshal(writer, c.value)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			if d, err := resolved(t, c.w, c.r); err != nil {
				got = "! " + err.Error()
			} else {
				got = decodedBy(d, b)
			}
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if !c.like {
				return
			}
			both, err := hamba.NewSchemaCompatibility().Resolve(hambaSchema(t, c.r), writer)
			var value map[string]any
			if err == nil {
				err = hamba.Unmarshal(both, b, &value)
			}
			text, merr := json.Marshal(value)
			if merr != nil {
				t.Fatal(merr)
			}
			if refused := strings.HasPrefix(c.want, "! "); refused != (err != nil) || !refused && string(text) != c.want {
				t.Errorf("the other implementation reads %s, %v", text, err)
			}
		})
	}
}

// TestResolvesTrees: a type may contain itself in both schemas.
func TestResolvesTrees(t *testing.T) {
	tree := func(more string) string {
		return rec(`{"name":"root","type":["null",{"type":"record","name":"Tree","fields":[{"name":"kids","type":{"type":"array","items":"Tree"}}` + more + `]}]}`)
	}
	w, r := tree(`,{"name":"n","type":"int"}`), tree(`,{"name":"s","type":"string","default":"new"}`)
	d, err := resolved(t, w, r)
	if err != nil {
		t.Fatal(err)
	}
	leaf := map[string]any{"kids": []any{}, "n": 1}
	b, err := hamba.Marshal(hambaSchema(t, w), map[string]any{"root": map[string]any{"n.Tree": map[string]any{"kids": []any{leaf, leaf}, "n": 0}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := decodedBy(d, b), `{"root":{"kids":[{"kids":[],"s":"new"},{"kids":[],"s":"new"}],"s":"new"}}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	deep := append([]byte{2}, strings.Repeat("\x02", 1_000_000)...)
	if got := decodedBy(d, deep); !strings.HasSuffix(got, errDepth.Error()) {
		t.Error(got)
	}
	skips, err := resolved(t, w, rec(``))
	if err != nil {
		t.Fatal(err)
	}
	if got := decodedBy(skips, deep); !strings.HasSuffix(got, errDepth.Error()) {
		t.Error(got)
	}
}

// TestSkipsUnchecked: what nobody reads need not be what its type promises.
func TestSkipsUnchecked(t *testing.T) {
	d, err := resolved(t, rec(field("t", `{"type":"long","logicalType":"timestamp-millis"}`)+","+field("f", `"double"`)+","+field("a", `"int"`)), rec(field("a", `"long"`)))
	if err != nil {
		t.Fatal(err)
	}
	b := append(varint(1<<62), 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, 2) // a time without a year, NaN
	if got := decodedBy(d, b); got != `{"a":1}` {
		t.Error(got)
	}
}
