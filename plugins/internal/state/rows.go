package state

import (
	"encoding/binary"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// TextKey is the stored form of keys that are text: the text itself.
type TextKey struct{}

// AppendKey appends the text.
func (TextKey) AppendKey(b []byte, k string) []byte { return append(b, k...) }

// Key reads it.
func (TextKey) Key(b []byte) (string, error) { return string(b), nil }

// Schemas files the schemas of stored rows under small numbers. A stored row names
// its schema by number; rows of an earlier run get the very schema of this run
// where name and fields are the same, so that what is compiled for it fits them.
type Schemas struct {
	table *Table[uint64, *event.Schema]
	ids   map[*event.Schema]uint64
	byID  map[uint64]*event.Schema
}

// NewSchemas makes the list and attaches its table, named schemas, to a store.
func NewSchemas(s Store) *Schemas {
	return &Schemas{
		table: NewTable(s, "schemas", schemaCodec{}),
		ids:   map[*event.Schema]uint64{}, byID: map[uint64]*event.Schema{},
	}
}

// Restore reads the stored schemas; known are those of this run.
func (s *Schemas) Restore(known []*event.Schema) error {
	return s.table.Open(func(e *Entry[uint64, *event.Schema]) bool {
		id, stored := e.Key, e.Value
		for _, k := range known {
			if k != nil && k.Name == stored.Name && slices.Equal(k.Fields, stored.Fields) {
				stored = k
				break
			}
		}
		s.byID[id] = stored
		s.ids[stored] = id
		return true
	})
}

func (s *Schemas) id(schema *event.Schema) uint64 {
	id, ok := s.ids[schema]
	if !ok {
		id = uint64(len(s.byID)) + 1
		s.ids[schema], s.byID[id] = id, schema
		if s.table.shelf != nil { // else nothing outlives the list itself
			s.table.Put(id, schema)
		}
	}
	return id
}

// AppendRow appends schema and values of a row: the schema's number as an unsigned
// varint, then the values.
func (s *Schemas) AppendRow(b []byte, schema *event.Schema, values []event.Value) []byte {
	b = binary.AppendUvarint(b, s.id(schema))
	for _, v := range values {
		b = v.Append(b)
	}
	return b
}

// ReadRow reads what AppendRow wrote.
func (s *Schemas) ReadRow(r *event.Reader) (*event.Schema, []event.Value, error) {
	schema, ok := s.byID[r.Uvarint()]
	if !ok {
		return nil, nil, event.ErrCorrupt
	}
	values := make([]event.Value, len(schema.Fields))
	for i := range values {
		values[i] = r.Value()
	}
	return schema, values, nil
}

// SplitRow tells the schema of a row that AppendRow wrote, and where its values begin;
// nil where it is none of ours.
func (s *Schemas) SplitRow(row []byte) (schema *event.Schema, values []byte) {
	id, n := binary.Uvarint(row)
	if n <= 0 {
		return nil, nil
	}
	return s.byID[id], row[n:]
}

// CheckRow makes sure that a row is what AppendRow wrote, of a schema of ours.
func (s *Schemas) CheckRow(row []byte) error {
	schema, packed := s.SplitRow(row)
	if schema == nil {
		return event.ErrCorrupt
	}
	return event.Unpack(packed, make([]event.Value, len(schema.Fields)))
}

// AppendSource appends the place of a record: topic, partition, offset.
func AppendSource(b []byte, s *event.Source) []byte {
	b = event.AppendText(b, s.Topic)
	b = binary.AppendUvarint(b, uint64(uint32(s.Partition)))
	return binary.AppendVarint(b, s.Offset)
}

// ReadSource reads what AppendSource wrote.
func ReadSource(r *event.Reader) *event.Source {
	return &event.Source{Topic: r.Text(), Partition: int32(r.Uvarint()), Offset: r.Varint()}
}

// schemaCodec is the stored form of schemas: the number as an unsigned varint; the
// name, then the number of fields and each field's name.
type schemaCodec struct{}

func (schemaCodec) AppendKey(b []byte, id uint64) []byte { return binary.AppendUvarint(b, id) }

func (schemaCodec) Key(b []byte) (uint64, error) {
	r := event.NewReader(b)
	return r.Uvarint(), r.Err()
}

func (schemaCodec) AppendValue(b []byte, s *event.Schema) []byte {
	b = binary.AppendUvarint(event.AppendText(b, s.Name), uint64(len(s.Fields)))
	for _, f := range s.Fields {
		b = event.AppendText(b, f)
	}
	return b
}

func (schemaCodec) Value(_ uint64, b []byte) (*event.Schema, error) {
	r := event.NewReader(b)
	name := r.Text()
	fields := make([]string, r.Count())
	for i := range fields {
		fields[i] = r.Text()
	}
	return event.NewSchema(name, fields...), r.Err()
}
