package avrodecode

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"
)

// kind is a random Avro type for tests: its schema, its values in goavro's native
// form, and what a value that goavro decoded looks like in a row.
type kind struct {
	schema any
	branch string // what goavro calls it as a member of a union
	draw   func(t *rapid.T) any
	plain  func(native any) any
	fields []member // of a record
}

type member struct {
	name string
	kind kind
}

// maker numbers the named types of one schema.
type maker struct{ names int }

func (m *maker) name(prefix string) string {
	m.names++
	return fmt.Sprint(prefix, m.names)
}

func same(native any) any { return native }

func primitive(name string, draw func(*rapid.T) any, plain func(any) any) kind {
	return kind{schema: name, branch: name, draw: draw, plain: plain}
}

func logical(base, name string, more map[string]any, draw func(*rapid.T) any, plain func(any) any) kind {
	s := map[string]any{"type": base, "logicalType": name}
	for k, v := range more {
		s[k] = v
	}
	return kind{schema: s, branch: base + "." + name, draw: draw, plain: plain}
}

// text draws what JSON can hold.
func text(t *rapid.T) any { return rapid.StringN(0, 20, -1).Draw(t, "text") }

func long(t *rapid.T) any { return rapid.Int64().Draw(t, "long") }

// leaf draws a type without members.
func (m *maker) leaf(t *rapid.T) kind {
	switch rapid.IntRange(0, 14).Draw(t, "kind") {
	case 0:
		return primitive("null", func(*rapid.T) any { return nil }, same)
	case 1:
		return primitive("boolean", func(t *rapid.T) any { return rapid.Bool().Draw(t, "bool") }, same)
	case 2:
		return primitive("int", func(t *rapid.T) any { return rapid.Int32().Draw(t, "int") }, func(n any) any { return int64(n.(int32)) })
	case 3:
		return primitive("long", long, same)
	case 4:
		return primitive("float", func(t *rapid.T) any { return rapid.Float32().Draw(t, "float") }, func(n any) any { return float64(n.(float32)) })
	case 5:
		return primitive("double", func(t *rapid.T) any { return rapid.Float64().Draw(t, "double") }, same)
	case 6:
		return primitive("bytes", func(t *rapid.T) any { return []byte(text(t).(string)) }, func(n any) any { return string(n.([]byte)) })
	case 7:
		return m.enum(t)
	case 8:
		return m.fixed(t)
	case 9:
		return m.decimal(t, false)
	case 10:
		return m.decimal(t, true)
	case 11:
		return logical("long", "timestamp-millis", nil, instant, millis)
	case 12:
		return logical("long", "timestamp-micros", nil, instant, millis)
	case 13:
		return logical("int", "date", nil, func(t *rapid.T) any {
			return time.Unix(0, 0).UTC().AddDate(0, 0, rapid.IntRange(-100_000, 1_000_000).Draw(t, "days"))
		}, millis)
	}
	return primitive("string", text, same)
}

// instant draws a time that is not whole in milliseconds, before and after 1970.
func instant(t *rapid.T) any {
	return time.UnixMicro(rapid.Int64Range(-62e15, 253e15).Draw(t, "micros")).UTC()
}

func millis(native any) any { return time.UnixMilli(native.(time.Time).UnixMilli()).UTC() }

func (m *maker) enum(t *rapid.T) kind {
	symbols := rapid.SampledFrom([][]string{{"a"}, {"a", "b", "c"}}).Draw(t, "symbols")
	name := m.name("E")
	return kind{
		schema: map[string]any{"type": "enum", "name": name, "symbols": symbols}, branch: name,
		draw: func(t *rapid.T) any { return rapid.SampledFrom(symbols).Draw(t, "symbol") }, plain: same,
	}
}

func (m *maker) fixed(t *rapid.T) kind {
	size := rapid.IntRange(1, 5).Draw(t, "size")
	name := m.name("F")
	return kind{
		schema: map[string]any{"type": "fixed", "name": name, "size": size}, branch: name,
		draw: func(t *rapid.T) any {
			return []byte(rapid.StringMatching(fmt.Sprintf("[a-z]{%d}", size)).Draw(t, "fixed"))
		},
		plain: func(n any) any { return string(n.([]byte)) },
	}
}

// decimal draws decimals of up to 38 digits, of which a value fits 64 bits as long
// as its scale does: larger ones are invalid.
func (m *maker) decimal(t *rapid.T, fixed bool) kind {
	scale := rapid.SampledFrom([]int{0, 2, 6, 18, 20}).Draw(t, "scale")
	more := map[string]any{"precision": 38, "scale": scale}
	draw := func(t *rapid.T) any {
		unscaled := big.NewInt(rapid.Int64().Draw(t, "unscaled"))
		if scale > 18 {
			unscaled.Mul(unscaled, big.NewInt(rapid.Int64().Draw(t, "more digits")))
		}
		if fixed && unscaled.Sign() == 0 {
			unscaled.SetInt64(1) // goavro fails to encode a fixed zero
		}
		return new(big.Rat).SetFrac(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	}
	plain := func(n any) any {
		if scale == 0 {
			return json.Number(n.(*big.Rat).Num().String())
		}
		return json.Number(n.(*big.Rat).FloatString(scale))
	}
	if !fixed {
		return logical("bytes", "decimal", more, draw, plain)
	}
	more["size"], more["name"] = 16, m.name("D")
	k := logical("fixed", "decimal", more, draw, plain)
	k.branch = more["name"].(string)
	return k
}

// any draws a type with at most depth levels of members.
func (m *maker) any(t *rapid.T, depth int) kind {
	if depth == 0 {
		return m.leaf(t)
	}
	switch rapid.IntRange(0, 6).Draw(t, "structure") {
	case 0:
		return m.record(t, depth-1)
	case 1:
		elem := m.any(t, depth-1)
		return kind{
			schema: map[string]any{"type": "array", "items": elem.schema}, branch: "array",
			draw: func(t *rapid.T) any {
				list := []any{}
				for range rapid.IntRange(0, 4).Draw(t, "items") {
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
	case 2:
		elem := m.any(t, depth-1)
		return kind{
			schema: map[string]any{"type": "map", "values": elem.schema}, branch: "map",
			draw: func(t *rapid.T) any {
				values := map[string]any{}
				for range rapid.IntRange(0, 4).Draw(t, "entries") {
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
	case 3:
		return m.nullable(t, depth-1)
	case 4:
		return m.union(t, depth-1)
	}
	return m.leaf(t)
}

func (m *maker) record(t *rapid.T, depth int) kind {
	k := kind{branch: m.name("R")}
	var fields []any
	for i := range rapid.IntRange(0, 5).Draw(t, "fields") {
		f := member{fmt.Sprint("f", i), m.any(t, depth)}
		k.fields = append(k.fields, f)
		fields = append(fields, map[string]any{"name": f.name, "type": f.kind.schema})
	}
	if fields == nil {
		fields = []any{}
	}
	k.schema = map[string]any{"type": "record", "name": k.branch, "fields": fields}
	k.draw = func(t *rapid.T) any {
		values := map[string]any{}
		for _, f := range k.fields {
			values[f.name] = f.kind.draw(t)
		}
		return values
	}
	k.plain = func(n any) any {
		values := map[string]any{}
		for _, f := range k.fields {
			values[f.name] = f.kind.plain(n.(map[string]any)[f.name])
		}
		return values
	}
	return k
}

func (m *maker) nullable(t *rapid.T, depth int) kind {
	inner := m.any(t, depth)
	for inner.branch == "null" || inner.branch == "" {
		inner = m.leaf(t)
	}
	members := []any{"null", inner.schema}
	if rapid.Bool().Draw(t, "null last") {
		members = []any{inner.schema, "null"}
	}
	return kind{
		schema: members,
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
	}
}

// union draws a union of several types, of which no two have the same name.
func (m *maker) union(t *rapid.T, depth int) kind {
	byName := map[string]kind{}
	var names []string
	var members []any
	for range rapid.IntRange(1, 4).Draw(t, "branches") {
		k := m.any(t, depth)
		base, _, _ := strings.Cut(k.branch, ".")
		if k.branch == "" || byName[base].draw != nil { // a union in a union, or a second of its kind
			continue
		}
		byName[base] = k
		names, members = append(names, base), append(members, k.schema)
	}
	if len(members) == 0 {
		return m.leaf(t)
	}
	return kind{
		schema: members,
		draw: func(t *rapid.T) any {
			k := byName[rapid.SampledFrom(names).Draw(t, "branch")]
			if k.branch == "null" {
				return nil
			}
			return goavro.Union(k.branch, k.draw(t))
		},
		plain: func(n any) any {
			if n == nil {
				return nil
			}
			for name, v := range n.(map[string]any) {
				base, _, _ := strings.Cut(name, ".")
				return byName[base].plain(v)
			}
			return nil
		},
	}
}

// flatten lists what a decoded record has in a row: nested records under dotted names.
func (k kind) flatten(prefix string, native map[string]any, to map[string]any) {
	for _, f := range k.fields {
		v := native[f.name]
		if nested, ok := v.(map[string]any); ok && f.kind.fields != nil {
			f.kind.flatten(prefix+f.name+".", nested, to)
			continue
		}
		if s, ok := f.kind.schema.(map[string]any); ok && s["type"] == "record" {
			continue // a record without fields
		}
		to[prefix+f.name] = f.kind.plain(v)
	}
}

// finite tells whether JSON can hold v.
func finite(v any) bool {
	switch v := v.(type) {
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case []any:
		for _, e := range v {
			if !finite(e) {
				return false
			}
		}
	case map[string]any:
		for _, e := range v {
			if !finite(e) {
				return false
			}
		}
	}
	return true
}
