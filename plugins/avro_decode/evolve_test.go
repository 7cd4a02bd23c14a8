package avrodecode

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
)

// pair is a random type and what has become of it: schema, draw and branch are the
// writer's, reader is the schema of who reads, and plain tells what a value is to that one.
type pair struct {
	kind
	reader any
	// flat puts the fields of a record under their dotted names; nil where it is none in
	// both schemas.
	flat func(prefix string, native map[string]any, to map[string]any)
}

// widened are the types that a type may become, and what happens to a value.
var widened = map[string]map[string]func(any) any{
	"int": {
		"long": func(v any) any { return v }, "double": func(v any) any { return float64(v.(int64)) },
		"float": func(v any) any { return float64(float32(v.(int64))) },
	},
	"long":   {"double": func(v any) any { return float64(v.(int64)) }, "float": func(v any) any { return float64(float32(v.(int64))) }},
	"float":  {"double": func(v any) any { return v }},
	"string": {"bytes": func(v any) any { return v }},
	"bytes":  {"string": func(v any) any { return v }},
}

// leafPair draws a type without members, widened or with other symbols.
func (m *maker) leafPair(t *rapid.T) pair {
	k := m.leaf(t)
	p := pair{kind: k, reader: k.schema}
	switch s := k.schema.(type) {
	case string:
		names := slices.Sorted(maps.Keys(widened[s]))
		if len(names) > 0 && rapid.Bool().Draw(t, "widen") {
			to := rapid.SampledFrom(names).Draw(t, "to")
			p.reader = to
			p.plain = func(n any) any { return widened[s][to](k.plain(n)) }
		}
	case map[string]any:
		if s["type"] != "enum" {
			break
		}
		r := maps.Clone(s)
		symbols := slices.Clone(s["symbols"].([]string))
		slices.Reverse(symbols)
		gone := symbols[0]
		r["symbols"] = append(symbols[1:], "new")
		r["default"] = "new"
		p.reader = r
		p.plain = func(n any) any {
			if n == gone {
				return "new"
			}
			return n
		}
	}
	return p
}

func (m *maker) pair(t *rapid.T, depth int) pair {
	var p pair
	structure := rapid.IntRange(0, 5).Draw(t, "structure")
	if depth == 0 {
		structure = 5
	}
	switch structure {
	case 0, 1:
		p = m.recordPair(t, depth-1)
	case 2:
		elem := m.pair(t, depth-1)
		p = pair{kind: listOf(elem.kind), reader: map[string]any{"type": "array", "items": elem.reader}}
	case 3:
		elem := m.pair(t, depth-1)
		p = pair{kind: mapOf(elem.kind), reader: map[string]any{"type": "map", "values": elem.reader}}
	case 4:
		return m.nullablePair(t, depth-1)
	default:
		p = m.leafPair(t)
	}
	if p.branch != "null" && rapid.Bool().Draw(t, "becomes optional") {
		p.reader, p.flat = []any{"null", p.reader}, nil
	}
	return p
}

func listOf(elem kind) kind {
	return kind{
		schema: map[string]any{"type": "array", "items": elem.schema}, branch: "array",
		draw: func(t *rapid.T) any {
			list := []any{}
			for range rapid.IntRange(0, 3).Draw(t, "items") {
				list = append(list, elem.draw(t))
			}
			return list
		},
		plain: func(n any) any {
			list := []any{}
			for _, v := range n.([]any) {
				list = append(list, elem.plain(v))
			}
			return list
		},
	}
}

func mapOf(elem kind) kind {
	return kind{
		schema: map[string]any{"type": "map", "values": elem.schema}, branch: "map",
		draw: func(t *rapid.T) any {
			values := map[string]any{}
			for range rapid.IntRange(0, 3).Draw(t, "entries") {
				values[text(t).(string)] = elem.draw(t)
			}
			return values
		},
		plain: func(n any) any {
			values := map[string]any{}
			for k, v := range n.(map[string]any) {
				values[k] = elem.plain(v)
			}
			return values
		},
	}
}

// nullablePair draws an optional type, whose null may change its place.
func (m *maker) nullablePair(t *rapid.T, depth int) pair {
	inner := m.pair(t, depth)
	for inner.branch == "null" || inner.branch == "" {
		inner = m.leafPair(t)
	}
	reader := inner.reader
	if optional, ok := reader.([]any); ok {
		reader = optional[1]
	}
	p := pair{kind: kind{
		schema: []any{"null", inner.schema},
		draw: func(t *rapid.T) any {
			if rapid.Bool().Draw(t, "null") {
				return nil
			}
			return goavro.Union(inner.branch, inner.draw(t))
		},
		plain: func(n any) any {
			if n == nil {
				return nil
			}
			return inner.plain(n.(map[string]any)[inner.branch])
		},
	}}
	if p.reader = []any{"null", reader}; rapid.Bool().Draw(t, "null last") {
		p.reader = []any{reader, "null"}
	}
	return p
}

// added are fields that only the reader knows: type, default, and what it is in a row.
var added = []struct{ schema, def, plain any }{
	{[]any{"null", "string"}, nil, nil},
	{"long", 7, int64(7)},
	{"double", 2.5, 2.5},
	{"string", "x", "x"},
	{[]any{"boolean", "null"}, true, true},
	{map[string]any{"type": "bytes", "logicalType": "decimal", "precision": 15, "scale": 2}, "\u0004\u00d2", json.Number("12.34")},
	{map[string]any{"type": "array", "items": "int"}, []any{1, 2}, []any{1, 2}},
	{map[string]any{"type": "map", "values": "string"}, map[string]any{"k": "v"}, map[string]any{"k": "v"}},
}

// recordPair draws a record of which fields are dropped, renamed, added and put in
// another order.
func (m *maker) recordPair(t *rapid.T, depth int) pair {
	type kept struct {
		from, to string
		pair
	}
	var fields []kept
	var w, r []any
	p := pair{kind: kind{branch: m.name("R")}}
	var all []member
	for i := range rapid.IntRange(0, 5).Draw(t, "fields") {
		f := kept{from: fmt.Sprint("f", i), to: fmt.Sprint("f", i), pair: m.pair(t, depth)}
		all = append(all, member{f.from, f.kind})
		w = append(w, map[string]any{"name": f.from, "type": f.schema})
		switch rapid.IntRange(0, 5).Draw(t, "fate") {
		case 0: // dropped
			continue
		case 1:
			f.to = "g" + f.from
			r = append(r, map[string]any{"name": f.to, "type": f.reader, "aliases": []string{"nonesuch", f.from}})
		default:
			r = append(r, map[string]any{"name": f.to, "type": f.reader, "default": nil})
			if _, optional := f.reader.([]any); !optional {
				delete(r[len(r)-1].(map[string]any), "default")
			}
		}
		fields = append(fields, f)
	}
	news := map[string]any{}
	for i := range rapid.IntRange(0, 3).Draw(t, "added") {
		a := rapid.SampledFrom(added).Draw(t, "new")
		name := fmt.Sprint("n", i)
		news[name] = a.plain
		r = append(r, map[string]any{"name": name, "type": a.schema, "default": a.def})
	}
	if len(r) > 0 {
		r = rapid.Permutation(r).Draw(t, "order")
	}
	p.schema = map[string]any{"type": "record", "name": p.branch, "fields": append([]any{}, w...)}
	p.reader = map[string]any{"type": "record", "name": p.branch, "fields": append([]any{}, r...)}
	p.draw = func(t *rapid.T) any {
		values := map[string]any{}
		for _, f := range all {
			values[f.name] = f.kind.draw(t)
		}
		return values
	}
	p.plain = func(n any) any {
		values := maps.Clone(news)
		for _, f := range fields {
			values[f.to] = f.plain(n.(map[string]any)[f.from])
		}
		return values
	}
	p.flat = func(prefix string, native map[string]any, to map[string]any) {
		for name, v := range news {
			to[prefix+name] = v
		}
		for _, f := range fields {
			if f.flat != nil {
				f.flat(prefix+f.to+".", native[f.from].(map[string]any), to)
				continue
			}
			to[prefix+f.to] = f.plain(native[f.from])
		}
	}
	return p
}

// TestResolves: whatever has changed, a record has the values that follow from the change.
func TestResolves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := (&maker{}).recordPair(t, 3)
		w, err := json.Marshal(root.schema)
		if err != nil {
			t.Fatal(err)
		}
		r, err := json.Marshal(root.reader)
		if err != nil {
			t.Fatal(err)
		}
		codec, err := goavro.NewCodec(string(w))
		if err != nil {
			t.Skip(err)
		}
		writer, err := avro.ParseType(string(w))
		if err != nil {
			t.Fatalf("%s: %v", w, err)
		}
		reader, err := avro.Parse(string(r))
		if err != nil {
			t.Skip(err) // goavro again
		}
		d, err := Resolve(writer, reader)
		if err != nil {
			t.Fatalf("%s\n%s: %v", w, r, err)
		}
		for range 5 {
			b, err := codec.BinaryFromNative(nil, root.draw(t))
			if err != nil {
				t.Fatalf("%s: %v", w, err)
			}
			native, _, err := codec.NativeFromBinary(b)
			if err != nil {
				t.Fatalf("%s: %v", w, err)
			}
			want := map[string]any{}
			root.flat("", native.(map[string]any), want)
			checkDecoded(t, string(w)+"\n"+string(r), d, b, want)
		}
	})
}
