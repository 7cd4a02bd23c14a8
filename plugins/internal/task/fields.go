package task

import "maps"

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

// Pruner is an operator that makes rows, and may leave out what nobody reads. It is told
// once it is bound.
type Pruner interface{ Prune(next Fields) }

// Prune tells the operators what is read of the rows that leave the chain.
func (c *Chain) Prune(next Fields) { c.reads(next, true) }

// Reads is which fields are read of the rows that come in.
func (c *Chain) Reads(next Fields) Fields { return c.reads(next, false) }

func (c *Chain) reads(next Fields, prune bool) Fields {
	for i := len(c.stages) - 1; i >= 0; i-- {
		if p, ok := c.stages[i].Op.(Pruner); ok && prune {
			p.Prune(next)
		}
		r, ok := c.stages[i].Op.(FieldReader)
		if !ok {
			next = nil
			continue
		}
		next = r.Reads(next)
	}
	return next
}
