package task

import "fmt"

// Preparer is an operator that needs something from outside the task before it can
// process some records: a schema that only a registry has. It is the first of its chain,
// so that it can be shown records before they are merged, and a task waits for it without
// standing still: what is before those records is processed, emitted and committed.
type Preparer interface {
	// Prepare tells whether there is everything that a record with this value needs. Where
	// something is missing it is on its way when Prepare returns, which does not wait.
	Prepare(value []byte) bool
	// Notify sets what is called, from any goroutine, when more is there than before.
	Notify(ready func())
}

// preparer is the first operator if it is a Preparer. Elsewhere in a chain one is refused.
func preparer(stages []Stage) (Preparer, error) {
	var first Preparer
	for i, s := range stages {
		p, ok := s.Op.(Preparer)
		if !ok {
			continue
		}
		if i > 0 {
			return nil, fmt.Errorf("%s: what it needs is fetched before records are processed, so it stands first", s.Label)
		}
		first = p
	}
	return first, nil
}

// Prepares tells whether the chain has to be shown records beforehand.
func (c *Chain) Prepares() bool { return c.prepares != nil }

// Prepare is that of the first operator.
func (c *Chain) Prepare(value []byte) bool { return c.prepares == nil || c.prepares.Prepare(value) }

// Notify is that of the first operator.
func (c *Chain) Notify(ready func()) {
	if c.prepares != nil {
		c.prepares.Notify(ready)
	}
}

// Prepare tells whether the operators have everything that the records of a batch need.
// Where they do not, everything that is missing is on its way.
func (t *Task) Prepare(b *Batch) bool {
	if t.chain.prepares == nil || b == nil {
		return true
	}
	all := true
	for i := range b.records {
		if r := &b.records[i]; r.value != none {
			at := r.at + uint32(max(r.key, 0))
			all = t.chain.prepares.Prepare(b.bytes[at:at+uint32(r.value)]) && all
		}
	}
	for i := range b.arrivals {
		if s := b.arrivals[i].Row.Source; s != nil {
			all = t.chain.prepares.Prepare(s.Value) && all
		}
	}
	return all
}

// Notify sets what is called, from any goroutine, when there is more than Prepare found.
func (t *Task) Notify(ready func()) { t.chain.Notify(ready) }
