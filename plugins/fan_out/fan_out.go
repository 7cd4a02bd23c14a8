// Package fanout gives every event to several chains of operators.
package fanout

import (
	"fmt"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// FanOut runs branches side by side on the same rows, so that one read, one decode
// and one deduplication serve many results. What leaves the branches leaves fan_out,
// branch by branch.
type FanOut struct {
	stages   [][]task.Stage
	branches []*task.Chain
	ends     task.Sink // where the branches end
	rest     []span
}

// New makes the operator from the stages of its branches.
func New(branches [][]task.Stage) *FanOut { return &FanOut{stages: branches} }

// Bind binds every branch to the same input.
func (f *FanOut) Bind(in task.Shape) (task.Shape, error) {
	out := task.Shape{Delay: in.Delay, Reach: in.Reach}
	known := true
	for i, s := range f.stages {
		c, end, err := task.NewChain(s, in)
		if err != nil {
			return out, fmt.Errorf("%d.processors: %w", i, err)
		}
		if c.Prepares() {
			return out, fmt.Errorf("%d.processors: %s stands first in the processors of the input, not in a branch", i, s[0].Label)
		}
		f.branches = append(f.branches, c)
		out.Delay, out.Reach = max(out.Delay, end.Delay), max(out.Reach, end.Reach)
		known = known && end.Schemas != nil
		out.Schemas = append(out.Schemas, end.Schemas...)
	}
	if !known {
		out.Schemas = nil
	}
	return out, nil
}

// Reads is what any branch reads.
func (f *FanOut) Reads(next task.Fields) task.Fields {
	all := task.FieldsOf()
	for _, b := range f.branches {
		all = all.And(b.Reads(next))
	}
	return all
}

// Prune tells the branches.
func (f *FanOut) Prune(next task.Fields, skips func(*event.Row) bool) {
	for _, b := range f.branches {
		b.Prune(next, skips)
	}
}

// Skips tells whether all branches skip such rows.
func (f *FanOut) Skips(r *event.Row) bool {
	for _, b := range f.branches {
		if !b.Skips(r) {
			return false
		}
	}
	return true
}

// Restore restores every branch.
func (f *FanOut) Restore() error {
	for _, b := range f.branches {
		if err := b.Restore(); err != nil {
			return err
		}
	}
	return nil
}

// run lets every branch do something. What they emit leaves in the order of its
// watermarks, which is that of event time for the operators behind.
func (f *FanOut) run(out *task.Output, do func(*task.Chain, *task.Sink)) {
	sink := out.Sink()
	f.ends.Rejects = sink.Rejects
	f.rest = f.rest[:0]
	for _, b := range f.branches {
		begin := len(f.ends.Rows)
		do(b, &f.ends)
		if end := len(f.ends.Rows); end > begin {
			f.rest = append(f.rest, span{begin, end})
		}
	}
	sink.Rejects, f.ends.Rejects = f.ends.Rejects, nil
	rows := f.ends.Rows
	for len(f.rest) > 0 {
		first := 0
		for i := 1; i < len(f.rest); i++ {
			if rows[f.rest[i].begin].Watermark < rows[f.rest[first].begin].Watermark {
				first = i
			}
		}
		s := &f.rest[first]
		out.Emit(rows[s.begin])
		if s.begin++; s.begin == s.end {
			f.rest = slices.Delete(f.rest, first, first+1)
		}
	}
	f.ends.Reset()
}

// span are the rows of one branch that are still to be emitted.
type span struct{ begin, end int }

// Process gives the rows to every branch.
func (f *FanOut) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		out.Count(&rows[i], task.Passed)
	}
	f.run(out, func(c *task.Chain, s *task.Sink) { c.Process(rows, s) })
}

// Advance fires the timers of all branches that are due.
func (f *FanOut) Advance(w event.Time, out *task.Output) {
	f.run(out, func(c *task.Chain, s *task.Sink) { c.Advance(w, s) })
}

// Release takes back what the branches were lent.
func (f *FanOut) Release() {
	for _, b := range f.branches {
		b.Release()
	}
}

// Flush flushes every branch.
func (f *FanOut) Flush(w event.Time, out *task.Output) (more bool) {
	f.run(out, func(c *task.Chain, s *task.Sink) { more = c.Flush(w, s) || more })
	return more
}

// Accounts are the accounts of the operators in the branches.
func (f *FanOut) Accounts() []task.Line {
	var lines []task.Line
	for _, b := range f.branches {
		lines = append(lines, b.Accounts()...)
	}
	return lines
}

// Defined are the operators in the branches that have state.
func (f *FanOut) Defined() []task.Defined {
	var list []task.Defined
	for _, b := range f.branches {
		list = append(list, b.Defined()...)
	}
	return list
}

// RestoreAccounts takes up the accounts of an earlier run.
func (f *FanOut) RestoreAccounts(lines []task.Line) {
	for _, b := range f.branches {
		b.RestoreAccounts(lines)
	}
}

// Operators are those in the branches.
func (f *FanOut) Operators() []task.Stage {
	var all []task.Stage
	for _, b := range f.branches {
		all = append(all, b.Operators()...)
	}
	return all
}
