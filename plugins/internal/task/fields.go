package task

import (
	"maps"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Fields are names of fields that somebody reads; nil stands for all that there are.
type Fields map[string]bool

// FieldsOf makes a set of names.
func FieldsOf(names ...string) Fields {
	f := Fields{}
	for _, n := range names {
		f[n] = true
	}
	return f
}

// Has tells whether a field is read.
func (f Fields) Has(name string) bool { return f == nil || f[name] }

// And is what is read by either.
func (f Fields) And(other Fields) Fields {
	if f == nil || other == nil {
		return nil
	}
	all := maps.Clone(f)
	maps.Copy(all, other)
	return all
}

// FieldReader is an operator that knows which fields of the rows that come in are read,
// by itself and behind it, where next is what is read of the rows that it emits. Of an
// operator that is none, all fields are.
type FieldReader interface{ Reads(next Fields) Fields }

// Skipper is an operator that can tell that rows which have the fields of r, with the
// values of r, change nothing in it and are never handed on, whatever else they have.
type Skipper interface{ Skips(r *event.Row) bool }

// Pruner is an operator that makes rows, and may leave out what nobody reads: of a row
// the fields, and rows that all who would be given them skip. It is told once it is bound.
type Pruner interface {
	Prune(fields Fields, skips func(r *event.Row) bool)
}

// Prune tells the operators what is read of the rows that leave the chain, and which are
// skipped.
func (c *Chain) Prune(next Fields, skips func(*event.Row) bool) {
	for i := len(c.stages) - 1; i >= 0; i-- {
		op := c.stages[i].Op
		if p, ok := op.(Pruner); ok {
			p.Prune(next, skips)
		}
		next, skips = readBy(op, next), skippedBy(op)
	}
}

// Reads is which fields are read of the rows that come in, where next is read of those
// that leave the chain.
func (c *Chain) Reads(next Fields) Fields {
	for i := len(c.stages) - 1; i >= 0; i-- {
		next = readBy(c.stages[i].Op, next)
	}
	return next
}

func readBy(op Operator, next Fields) Fields {
	if r, ok := op.(FieldReader); ok {
		return r.Reads(next)
	}
	return nil
}

// Skips tells whether the first operator skips such rows.
func (c *Chain) Skips(r *event.Row) bool {
	return len(c.stages) > 0 && skippedBy(c.stages[0].Op)(r)
}

func skippedBy(op Operator) func(*event.Row) bool {
	if s, ok := op.(Skipper); ok {
		return s.Skips
	}
	return KeepAll
}

// KeepAll skips no row.
func KeepAll(*event.Row) bool { return false }
