package join

import (
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// shape is the schema of the rows that join an anchor with a child, nil for none, and
// which values of each stand in them.
type shape struct {
	anchor, child, joined *event.Schema
	stream                string // of the child
	fromAnchor, fromChild []int
	change                bool
	counts                []int // the streams whose counts stand in them
}

// Prune leaves out of the joined rows what nobody reads: they have the fields of two
// events, and there are many of them; and the rows of those changes that nobody looks
// at. State keeps whole rows, so that what is read may change.
func (j *Join) Prune(fields task.Fields, skips func(*event.Row) bool) {
	j.read, j.shapes, j.unread = fields, nil, map[string]bool{}
	of := event.NewSchema("", changeField)
	for _, change := range j.changes() {
		j.unread[change] = skips(&event.Row{Schema: of, Values: []event.Value{event.StringOf(change)}})
	}
}

// changes are the values of the field "change".
func (j *Join) changes() []string {
	list := []string{ChangeAnchor, ChangeClosed}
	for _, s := range j.cfg.Streams {
		list = append(list, s.Name)
	}
	return list
}

// shape is what the rows look like that join an anchor with a child; c is nil for rows
// without one.
func (j *Join) shape(a, c *event.Schema, stream string) *shape {
	if c == nil {
		stream = ""
	}
	for i := range j.shapes {
		if s := &j.shapes[i]; s.anchor == a && s.child == c && s.stream == stream {
			return s
		}
	}
	s := shape{anchor: a, child: c, stream: stream}
	var fields []string
	for i, f := range a.Fields {
		if j.read.Has(f) {
			fields, s.fromAnchor = append(fields, f), append(s.fromAnchor, i)
		}
	}
	if s.change = j.read.Has(changeField); s.change {
		fields = append(fields, changeField)
	}
	for i, f := range j.countFields() {
		if j.read.Has(f) {
			fields, s.counts = append(fields, f), append(s.counts, i)
		}
	}
	if c != nil {
		for i, f := range c.Fields {
			if f = stream + "." + f; j.read.Has(f) {
				fields, s.fromChild = append(fields, f), append(s.fromChild, i)
			}
		}
	}
	s.joined = event.NewSchema(a.Name, fields...)
	if len(j.shapes) == maxShapes {
		j.shapes = j.shapes[:0] // rows of ever new shapes: forget rather than grow
	}
	j.shapes = append(j.shapes, s)
	return &j.shapes[len(j.shapes)-1]
}

// maxShapes bounds how many shapes of joined rows are remembered.
const maxShapes = 64
