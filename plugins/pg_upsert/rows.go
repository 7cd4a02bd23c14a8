package pgupsert

import (
	"fmt"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// origin says whose rows they are; zero without a ledger.
type origin struct {
	stream     string
	task       int32
	generation int64
}

// group is what a batch holds of one origin: one transaction.
type group struct {
	origin  origin
	rows    []*row
	refused []refusal // rows that cannot even be written as text
}

// add takes a row, or notes why it cannot be written.
func (g *group) add(r *row, err error) {
	if err != nil {
		g.refused = append(g.refused, refusal{r, err})
		return
	}
	g.rows = append(g.rows, r)
}

// filler makes the rows of one batch, in memory that it uses for the next one too.
type filler struct {
	plan  *plan
	texts texts
	rows  []row  // of the batch, or empty ones
	cells []cell // theirs
	given int
}

// reset takes back all rows.
func (f *filler) reset() {
	clear(f.rows[:f.given])
	clear(f.cells[:f.given*len(f.plan.rows.cols)])
	f.texts, f.given = texts{}, 0
	if len(f.rows) > keptRows {
		f.rows, f.cells = nil, nil
	}
}

// keptRows bounds what is kept for the next batch.
const keptRows = 4096

// next is an empty row. At least n rows are asked for from here on.
func (f *filler) next(n int) *row {
	width := len(f.plan.rows.cols)
	if f.given == len(f.rows) { // the rows before stay where they are
		f.rows, f.cells, f.given = make([]row, n), make([]cell, n*width), 0
	}
	r := &f.rows[f.given]
	r.cells = f.cells[f.given*width : (f.given+1)*width : (f.given+1)*width]
	f.given++
	return r
}

// fill makes the fields of a message the cells of its row. The error says
// which column a value does not fit.
func (f *filler) fill(r *row, message any) (err error) {
	fields, ok := message.(map[string]any)
	if !ok {
		return fmt.Errorf("a row is an object, not a %T", message)
	}
	for i, t := range f.plan.types {
		if r.cells[i], err = wiredOf(t, fields[f.plan.column(i)]); err != nil {
			return fmt.Errorf("column %s: %w", f.plan.column(i), err)
		}
	}
	return f.finish(r)
}

// fillFrom is fill for a row of which no message was made.
func (f *filler) fillFrom(r *row, from *event.Row, l *layout) (err error) {
	if l.nested {
		return f.fill(r, from.Map())
	}
	for i, place := range l.places {
		if place < 0 {
			r.cells[i] = cell{null: true}
		} else if r.cells[i], err = f.texts.cell(f.plan.types[i], from.Values[place]); err != nil {
			return fmt.Errorf("column %s: %w", f.plan.column(i), err)
		}
	}
	return f.finish(r)
}

// finish writes what follows from the cells of the fields.
func (f *filler) finish(r *row) error {
	for _, k := range f.plan.keys {
		if r.cells[k].null {
			return fmt.Errorf("column %s: the key is null", f.plan.column(k))
		}
	}
	r.key = f.texts.rowKey(r.cells, f.plan.types, f.plan.keys)
	if f.plan.ledger {
		f.texts.scratch = appendInteger(f.texts.scratch[:0], r.seq, f.plan.rows.cols[len(f.plan.types)].typ.bits)
		r.cells[len(f.plan.types)] = cell{text: f.texts.keep(f.texts.scratch)}
	}
	return nil
}
