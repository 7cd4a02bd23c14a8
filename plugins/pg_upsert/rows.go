package pgupsert

import (
	"fmt"
	"strconv"
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

// fill converts the fields of a message to the cells of its row. The error says
// which column a value does not fit.
func (p *plan) fill(r *row, message any) (err error) {
	fields, ok := message.(map[string]any)
	if !ok {
		return fmt.Errorf("a row is an object, not a %T", message)
	}
	r.cells = make([]cell, len(p.types), len(p.types)+1)
	for i, t := range p.types {
		c := p.rows.cols[i]
		if r.cells[i], err = convert(t, fields[c.name]); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	for _, k := range p.keys {
		if r.cells[k].null {
			return fmt.Errorf("column %s: the key is null", p.rows.cols[k].name)
		}
	}
	r.key = rowKey(r.cells, p.types, p.keys)
	if p.ledger {
		r.cells = append(r.cells, cell{text: strconv.FormatInt(r.seq, 10)})
	}
	return nil
}
