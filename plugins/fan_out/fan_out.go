// Package fanout gives every event to several chains of operators.
package fanout

import (
	"fmt"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// FanOut runs branches side by side on the same rows, so that one read, one decode
// and one deduplication serve many results. What leaves the branches leaves fan_out,
// branch by branch.
type FanOut struct {
	stages   [][]task.Stage
	branches []*task.Chain
}

// New makes the operator from the stages of its branches.
func New(branches [][]task.Stage) *FanOut { return &FanOut{stages: branches} }

// Bind binds every branch to the same input.
func (f *FanOut) Bind(in task.Shape) (task.Shape, error) {
	out := task.Shape{Delay: in.Delay}
	known := true
	for i, s := range f.stages {
		c, end, err := task.NewChain(s, in)
		if err != nil {
			return out, fmt.Errorf("%d.processors: %w", i, err)
		}
		f.branches = append(f.branches, c)
		out.Delay = max(out.Delay, end.Delay)
		known = known && end.Schemas != nil
		out.Schemas = append(out.Schemas, end.Schemas...)
	}
	if !known {
		out.Schemas = nil
	}
	return out, nil
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

// run lets one branch write to out.
func (f *FanOut) run(out *task.Output, do func(*task.Chain, *task.Sink)) {
	sink := out.Sink()
	for _, b := range f.branches {
		ends := task.Sink{Rejects: sink.Rejects}
		do(b, &ends)
		sink.Rejects = ends.Rejects
		for _, r := range ends.Rows {
			out.Emit(r)
		}
	}
}

// Process gives the rows to every branch.
func (f *FanOut) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		out.Count(&rows[i], task.Passed)
	}
	f.run(out, func(c *task.Chain, s *task.Sink) { c.Process(rows, s) })
}

// NextTimer is the earliest timer of all branches.
func (f *FanOut) NextTimer() event.Time {
	next := event.MaxTime
	for _, b := range f.branches {
		next = min(next, b.NextTimer())
	}
	return next
}

// OnTimer fires the timers of all branches that are due at t.
func (f *FanOut) OnTimer(t event.Time, out *task.Output) {
	f.run(out, func(c *task.Chain, s *task.Sink) { c.FireUntil(t+1, s) })
}

// Flush flushes every branch.
func (f *FanOut) Flush(w event.Time, out *task.Output) {
	f.run(out, func(c *task.Chain, s *task.Sink) { c.Flush(w, s) })
}

// Accounts are the accounts of the operators in the branches.
func (f *FanOut) Accounts() []task.Line {
	var lines []task.Line
	for _, b := range f.branches {
		lines = append(lines, b.Accounts()...)
	}
	return lines
}

// RestoreAccounts takes up the accounts of an earlier run.
func (f *FanOut) RestoreAccounts(lines []task.Line) {
	for _, b := range f.branches {
		b.RestoreAccounts(lines)
	}
}
