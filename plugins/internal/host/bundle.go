package host

import (
	"bytes"
	"encoding/json"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Bundle is the structured value of a message that carries many rows: rows of one
// operator and one schema, in the order in which they were emitted. A message with
// one row costs more than the row itself; a bundle costs the rows next to nothing.
//
// Copies of the message share it, also those of another output, so nobody changes it.
type Bundle struct {
	Schema *event.Schema
	Rows   []event.Row
	Seqs   []int64 // the number of each row among the task's emissions
}

// MarshalJSON makes an array of the objects that messages of one row would hold. A row
// that JSON cannot express, such as one with an infinite number, is null: Benthos
// takes an error for an empty message, and the other rows would be lost with it.
func (b *Bundle) MarshalJSON() ([]byte, error) {
	text := bytes.NewBufferString("[")
	e := json.NewEncoder(text)
	e.SetEscapeHTML(false) // that is for the one who asks
	for i := range b.Rows {
		if i > 0 {
			text.WriteByte(',')
		}
		if e.Encode(b.Rows[i].Map()) != nil { // then nothing was written
			text.WriteString("null")
		}
	}
	text.WriteByte(']')
	return text.Bytes(), nil
}

// BundleOf is the bundle that a message carries; false where it is a message of
// another kind. It decodes nothing.
func BundleOf(m *service.Message) (*Bundle, bool) {
	if !m.HasStructured() {
		return nil, false
	}
	v, err := m.AsStructured()
	if err != nil {
		return nil, false
	}
	b, ok := v.(*Bundle)
	return b, ok
}

// RowCount is the number of rows that a message carries.
func RowCount(m *service.Message) int {
	if b, ok := BundleOf(m); ok {
		return len(b.Rows)
	}
	return 1
}

// message makes the message of a bundle. What the metadata of a single row says it
// says of the last one. A place in Kafka belongs to one row, so there is none.
func (b *Bundle) message() *service.Message {
	m := service.NewMessage(nil)
	m.SetStructuredMut(b)
	m.MetaSetMut(MetaKind, KindRow)
	m.MetaSetMut(MetaOperator, b.Schema.Name)
	m.MetaSetMut(MetaSchema, b.Schema.Name)
	last := &b.Rows[len(b.Rows)-1]
	m.MetaSetMut(MetaTimestamp, int64(last.Time))
	m.MetaSetMut(MetaWatermark, int64(last.Watermark))
	return m
}

// bundler gathers rows of one step into bundles by their schema.
type bundler struct {
	most int // rows of a bundle
	open map[*event.Schema]*gathering

	// What was asked for last: rows of one operator come in runs.
	schema *event.Schema
	last   *gathering
}

// gathering is the bundle of one schema that is being filled.
type gathering struct {
	bundle *Bundle
	left   int // rows of the schema that are to come, so that a bundle is made as large as it gets
}

func newBundler(most int) *bundler {
	return &bundler{most: most, open: map[*event.Schema]*gathering{}}
}

// expect tells the rows that will be added.
func (b *bundler) expect(rows []event.Row) {
	clear(b.open)
	b.last = nil
	for i := range rows {
		b.of(rows[i].Schema).left++
	}
}

func (b *bundler) of(s *event.Schema) *gathering {
	if b.last != nil && b.schema == s {
		return b.last
	}
	g := b.open[s]
	if g == nil {
		g = &gathering{}
		b.open[s] = g
	}
	b.schema, b.last = s, g
	return g
}

// add puts a row and its number into the bundle of its schema, which it returns when
// that is full or the schema's last row has come. The row is copied, as the memory
// that it stands in is the task's; its values stay where they are.
func (b *bundler) add(r *event.Row, seq int64) *Bundle {
	g := b.of(r.Schema)
	if g.bundle == nil {
		n := min(g.left, b.most)
		g.bundle = &Bundle{Schema: r.Schema, Rows: make([]event.Row, 0, n), Seqs: make([]int64, 0, n)}
	}
	g.bundle.Rows, g.bundle.Seqs = append(g.bundle.Rows, *r), append(g.bundle.Seqs, seq)
	g.left--
	if len(g.bundle.Rows) < cap(g.bundle.Rows) {
		return nil
	}
	full := g.bundle
	g.bundle = nil
	return full
}
