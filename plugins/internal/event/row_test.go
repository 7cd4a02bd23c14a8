package event

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// object draws nested maps as a Benthos message has them. Keys have no dots: a
// dot in a row's field name is the path of a nested field.
func object(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "fields") {
			key := rapid.StringMatching("[a-c\x00 ]{0,2}").Draw(t, "key")
			if depth > 0 && rapid.IntRange(0, 2).Draw(t, "nested") == 0 {
				m[key] = object(depth-1).Draw(t, key)
			} else {
				m[key] = anything().Draw(t, key).Any()
			}
		}
		return m
	})
}

// leaves says how the paths and values of m look in a row, for comparison.
func leaves(prefix string, m map[string]any, to map[string]Value) {
	for k, v := range m {
		if sub, ok := v.(map[string]any); ok && len(sub) > 0 {
			leaves(prefix+k+".", sub, to)
		} else {
			to[prefix+k] = ValueOf(v)
		}
	}
}

func TestMapRoundTrip(t *testing.T) {
	schemas := Schemas{}
	rapid.Check(t, func(t *rapid.T) {
		m := object(3).Draw(t, "m")
		var r Row
		r.Schema, r.Values = schemas.FromMap("n", m)
		want := map[string]Value{}
		leaves("", m, want)
		if len(r.Values) != len(want) || len(r.Schema.Fields) != len(want) {
			t.Fatalf("%d values under %d names, want %d", len(r.Values), len(r.Schema.Fields), len(want))
		}
		for path, v := range want {
			if got := r.Get(path); got != v {
				t.Fatalf("field %q is %#v, want %#v", path, got, v)
			}
		}
		if got := r.Map(); !reflect.DeepEqual(got, m) {
			t.Fatalf("%v came back as %v", m, got)
		}
		if again, _ := schemas.FromMap("n", maps.Clone(m)); again != r.Schema {
			t.Fatal("the same shape has two schemas")
		}
		if other, _ := schemas.FromMap("other", m); other == r.Schema || other.Name != "other" {
			t.Fatal("rows of different names share a schema")
		}
	})
}

// TestSchemasTellShapesApart: no choice of names, however odd, makes one shape
// pass for another.
func TestSchemasTellShapesApart(t *testing.T) {
	schemas := Schemas{}
	for _, m := range []map[string]any{{"a": 1, "b": 2}, {"a\x00b": 1}, {"a": map[string]any{"b": 1}}, {"a\x001:b": 1}, {}, {"": 1}} {
		s, values := schemas.FromMap("n", m)
		if len(s.Fields) != len(values) {
			t.Errorf("%q has the schema %q", m, s.Fields)
		}
	}
	s, _ := schemas.FromMap("n\x00a", map[string]any{})
	if o, _ := schemas.FromMap("n", map[string]any{"a": 1}); s == o {
		t.Error("the name of a schema ran into its fields")
	}
}

// TestSameFieldTwice: a dotted key and a nested field may have the same path. The
// row has it once then, and which of the two does not depend on the map's order.
func TestSameFieldTwice(t *testing.T) {
	schemas := Schemas{}
	for range 100 {
		s, values := schemas.FromMap("n", map[string]any{
			"a.b": 1, "a": map[string]any{"b": 2, "c.d": 3}, "a.c": map[string]any{"d": 4},
		})
		if !slices.Equal(s.Fields, []string{"a.b", "a.c.d"}) || !slices.Equal(values, []Value{IntOf(2), IntOf(3)}) {
			t.Fatalf("fields %v, values %v", s.Fields, values)
		}
	}
}

// TestSchemasStayBounded: events of ever new shapes do not fill the memory.
func TestSchemasStayBounded(t *testing.T) {
	schemas := Schemas{}
	for i := range 100_000 {
		schemas.FromMap("n", map[string]any{fmt.Sprint("field_", i): 1})
	}
	if len(schemas) > maxSchemas {
		t.Errorf("%d schemas are kept", len(schemas))
	}
}

func TestRefFollowsTheSchema(t *testing.T) {
	shapes := []*Schema{nil}
	for i := range 3 * maxSlots {
		fields := []string{"x", "y", "a.b"}
		if i%4 == 3 {
			fields = fields[:2]
		}
		fields = append(fields[i%2:], fields[:i%2]...)
		shapes = append(shapes, NewSchema(fmt.Sprint("s", i), fields...))
	}
	rapid.Check(t, func(t *rapid.T) {
		ref := NewRef("a.b")
		for range rapid.IntRange(1, 100).Draw(t, "rows") {
			r := Row{Schema: rapid.SampledFrom(shapes).Draw(t, "schema")}
			var want Value
			if r.Schema != nil {
				for i, f := range r.Schema.Fields {
					r.Values = append(r.Values, IntOf(rapid.Int64().Draw(t, "v")))
					if f == "a.b" {
						want = r.Values[i]
					}
				}
			}
			if got := ref.Get(&r); got != want {
				t.Fatalf("%v, want %v", got, want)
			}
			if got := r.Get("a.b"); got != want {
				t.Fatalf("Row.Get says %v, want %v", got, want)
			}
			if len(ref.seen) > maxSlots {
				t.Fatalf("%d schemas are remembered", len(ref.seen))
			}
		}
	})
}

func TestRowText(t *testing.T) {
	s := NewSchema("s", "a", "b.c", "b.d")
	r := Row{Schema: s, Values: []Value{IntOf(1), DecimalOf(150, 2), {}}}
	if got := string(r.Text()); got != `{"a":1,"b":{"c":1.50,"d":null}}` {
		t.Errorf("text is %s", got)
	}
	raw := Row{Source: &Source{Value: []byte("raw")}}
	if got := string(raw.Text()); got != "raw" {
		t.Errorf("an undecoded payload is %q", got)
	}
	if got := (&Row{}).Text(); got != nil {
		t.Errorf("a row of nothing is %q", got)
	}
	place := (&Source{Topic: "t", Partition: 3, Offset: 4, Key: []byte("k"), Value: []byte("v"), Headers: []Header{{}}}).Place()
	if !reflect.DeepEqual(place, &Source{Topic: "t", Partition: 3, Offset: 4}) {
		t.Errorf("the place of a record is %+v", place)
	}
}
