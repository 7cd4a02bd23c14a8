package event

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Schema names the fields of rows. Schemas are compared by pointer: rows of one
// kind share one, and what is compiled for it is compiled once.
type Schema struct {
	// Name tells what the row is: a record's full name, or the label of the operator that made it.
	Name   string
	Fields []string
	index  map[string]int
}

// NewSchema makes a schema. A field name with dots is the path of a nested field.
func NewSchema(name string, fields ...string) *Schema {
	s := &Schema{Name: name, Fields: fields, index: make(map[string]int, len(fields))}
	for i, f := range fields {
		s.index[f] = i
	}
	return s
}

// Index is the position of a field, -1 where there is none.
func (s *Schema) Index(field string) int {
	if s == nil {
		return -1
	}
	if i, ok := s.index[field]; ok {
		return i
	}
	return -1
}

// Source is the record that a row came from.
type Source struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	Headers   []Header
	// Slot is a small number above 0 that is the topic's in its task, or 0.
	Slot uint8
}

// Header is a header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Place is the source without its payload: what state keeps of it.
func (s *Source) Place() *Source {
	return &Source{Topic: s.Topic, Partition: s.Partition, Offset: s.Offset}
}

// Row is one event on its way through a task. Operators never change a row that
// they were given; they pass it on or make a new one.
type Row struct {
	// Time is the row's event time.
	Time Time
	// Watermark is the task's watermark when the record that caused the row came up.
	Watermark Time
	// Schema is nil for a payload that nobody has decoded: then it stands in Source.Value.
	Schema *Schema
	Values []Value
	// Source is the record that caused the row; nil for rows that stand for many.
	Source *Source
	// First is a hint for outputs: what the row is of, such as a window, has probably not
	// been emitted before.
	First bool
}

// Get is the value of a field, null where the row has none.
func (r *Row) Get(field string) Value {
	if i := r.Schema.Index(field); i >= 0 {
		return r.Values[i]
	}
	return Value{}
}

// Map is the row as nested maps for Benthos.
func (r *Row) Map() map[string]any {
	m := make(map[string]any, len(r.Values))
	for i, name := range r.Schema.Fields {
		in := m
		for {
			head, rest, nested := strings.Cut(name, ".")
			if !nested {
				break
			}
			next, ok := in[head].(map[string]any)
			if !ok {
				next = map[string]any{}
				in[head] = next
			}
			in, name = next, rest
		}
		in[name] = r.Values[i].Any()
	}
	return m
}

// Text is the row as JSON text, or its undecoded payload.
func (r *Row) Text() []byte {
	if r.Schema == nil {
		if r.Source == nil {
			return nil
		}
		return r.Source.Value
	}
	text, err := json.Marshal(r.Map())
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// Schemas interns the schemas of rows that come as maps, so that equal shapes share one.
type Schemas map[string]*Schema

// maxSchemas bounds Schemas: where the names of fields are data, nearly every row has a shape of its own.
const maxSchemas = 4096

// FromMap turns nested maps into the schema and values of a row. Where a key with
// dots and a nested field have the same path, the nested field is taken.
func (c Schemas) FromMap(name string, m map[string]any) (*Schema, []Value) {
	fields := flatten("", m, make([]field, 0, len(m)))
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	fields = slices.CompactFunc(fields, func(a, b field) bool { return a.name == b.name })
	id := appendName(nil, name)
	for _, f := range fields {
		id = appendName(id, f.name)
	}
	s, ok := c[string(id)]
	if !ok {
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.name
		}
		if len(c) == maxSchemas {
			clear(c) // forget rather than grow
		}
		s = NewSchema(name, names...)
		c[string(id)] = s
	}
	values := make([]Value, len(fields))
	for i, f := range fields {
		values[i] = ValueOf(f.value)
	}
	return s, values
}

// appendName writes a name so that none, whatever it contains, runs into the next.
func appendName(to []byte, name string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(name))), name...)
}

type field struct {
	name  string
	value any
}

// flatten lists the leaves of m in an order that does not depend on the order of the map.
func flatten(prefix string, m map[string]any, to []field) []field {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if sub, ok := m[k].(map[string]any); ok && len(sub) > 0 {
			to = flatten(prefix+k+".", sub, to)
		} else {
			to = append(to, field{prefix + k, m[k]})
		}
	}
	return to
}

// Ref reads one field of rows whatever their schema, and remembers where it found
// it. It belongs to one operator of one task: it is not safe for concurrent use.
type Ref struct {
	Field string
	seen  []slot
}

type slot struct {
	schema *Schema
	index  int
}

// NewRef makes a reference to a field.
func NewRef(field string) *Ref { return &Ref{Field: field} }

// Get is the field's value in r, null where r has no such field.
func (f *Ref) Get(r *Row) Value {
	for i := range f.seen {
		if f.seen[i].schema == r.Schema {
			if at := f.seen[i].index; at >= 0 {
				return r.Values[at]
			}
			return Value{}
		}
	}
	i := r.Schema.Index(f.Field)
	if len(f.seen) == maxSlots {
		f.seen = f.seen[:0] // rows of ever new shapes: forget rather than grow
	}
	f.seen = append(f.seen, slot{r.Schema, i})
	if i < 0 {
		return Value{}
	}
	return r.Values[i]
}

const maxSlots = 16
