package task

import (
	"fmt"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Stage is an operator with the label that names it in errors, accounts and state.
type Stage struct {
	Label string
	Op    Operator
	// Reset says that state which does not fit the operator's definition starts afresh.
	Reset bool
}

// Chain runs operators one after the other: what one emits the next is given.
type Chain struct {
	stages   []Stage
	outs     []Output
	prepares Preparer // the first operator, where it is one
}

// NewChain makes a chain and binds its operators to what is known of their input.
// It returns what is known of the rows that leave it, all of whose fields are taken to be
// read: who knows better tells it by Prune.
func NewChain(stages []Stage, in Shape) (*Chain, Shape, error) {
	c := &Chain{stages: stages, outs: make([]Output, len(stages))}
	var err error
	if c.prepares, err = preparer(stages); err != nil {
		return nil, in, err
	}
	for i, s := range stages {
		next, err := s.Op.Bind(in)
		if err != nil {
			return nil, in, fmt.Errorf("%s: %w", s.Label, err)
		}
		in = next
		c.outs[i] = Output{label: s.Label, acct: &Account{Operator: s.Label}}
	}
	c.Prune(nil, KeepAll)
	return c, in, nil
}

// Restore lets every operator take up the state of an earlier run. It is called
// once, before the first row.
func (c *Chain) Restore() error {
	for _, s := range c.stages {
		if err := s.Op.Restore(); err != nil {
			return fmt.Errorf("restore %s: %w", s.Label, err)
		}
	}
	return nil
}

// Process drives rows through the chain into sink.
func (c *Chain) Process(rows []event.Row, sink *Sink) { c.from(0, rows, sink) }

func (c *Chain) from(i int, rows []event.Row, sink *Sink) {
	for ; i < len(c.stages) && len(rows) > 0; i++ {
		out := c.open(i, sink)
		for k := range rows {
			out.Count(&rows[k], In)
		}
		c.stages[i].Op.Process(rows, out)
		rows = out.rows
	}
	sink.Rows = append(sink.Rows, rows...)
}

// open readies the output of a stage. Its row buffer is free again: the stages
// below are done with the rows of the last call.
func (c *Chain) open(i int, sink *Sink) *Output {
	out := &c.outs[i]
	out.rows, out.sink = out.rows[:0], sink
	return out
}

// Advance lets every operator fire the timers that the watermark w has passed,
// upstream first: so what an operator emits at its end still reaches a window that
// ends at the same time.
func (c *Chain) Advance(w event.Time, sink *Sink) {
	for i := range c.stages {
		out := c.open(i, sink)
		c.stages[i].Op.Advance(w, out)
		c.from(i+1, out.rows, sink)
	}
}

// Release takes back the values that the operators were lent for their rows: no row
// that has left the chain may share them any more (Sink.Own).
func (c *Chain) Release() {
	for i := range c.stages {
		out := &c.outs[i]
		out.values.release()
		if cap(out.rows) > keptRows {
			out.rows = nil
		}
		if n, ok := c.stages[i].Op.(interface{ Release() }); ok {
			n.Release()
		}
	}
}

// keptRows is how many rows an output and the sink keep room for: what a portion of a
// flush comes to, and what a host gathers. At an end there are many more for a moment.
const keptRows = 16 << 10

// Flush makes every operator emit what has changed, upstream first, at watermark w. It
// returns early where that is much, and tells that there is more.
func (c *Chain) Flush(w event.Time, sink *Sink) (more bool) {
	for i := range c.stages {
		out := c.open(i, sink)
		more = c.stages[i].Op.Flush(w, out)
		c.from(i+1, out.rows, sink)
		if more {
			return true
		}
	}
	return false
}

// Accounts are the accounts of all operators, in their order.
func (c *Chain) Accounts() []Line {
	var lines []Line
	for i := range c.stages {
		if _, foreign := c.stages[i].Op.(Foreign); foreign {
			continue
		}
		lines = append(lines, c.outs[i].acct.Lines()...)
		if n, ok := c.stages[i].Op.(interface{ Accounts() []Line }); ok {
			lines = append(lines, n.Accounts()...)
		}
	}
	return lines
}

// Foreign marks a stage that runs processors of others, which may drop or split
// events as they like: it has no account.
type Foreign interface{ Foreign() }

// RestoreAccounts takes up the accounts of an earlier run.
func (c *Chain) RestoreAccounts(lines []Line) {
	for i := range c.stages {
		c.outs[i].acct.restore(lines)
		if n, ok := c.stages[i].Op.(interface{ RestoreAccounts([]Line) }); ok {
			n.RestoreAccounts(lines)
		}
	}
}

// Sink is where the rows and rejects of this output end. An operator that runs
// chains of its own (fan_out) lets them reject into it.
func (o *Output) Sink() *Sink { return o.sink }
