// Package tasktest drives operators in tests: from scripts of one line per step,
// and from properties that compare them with a model. It holds operators to the
// law that task.Operator states, and lends them their rows as a task does.
package tasktest

import (
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// TB is what a test and a property have in common.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Driver drives a chain of operators as a task does, with watermarks that the test chooses.
type Driver struct {
	// Sink collects what the chain emits and rejects. Its rows are the test's own.
	Sink task.Sink
	// Out is what the chain says of the rows that leave it.
	Out task.Shape

	tb        TB
	chain     *task.Chain
	watermark event.Time
	run       []event.Row
}

// New makes a driver for operators whose input is known as in.
func New(tb TB, in task.Shape, stages ...task.Stage) *Driver {
	tb.Helper()
	d, err := newDriver(tb, in, stages...)
	if err != nil {
		tb.Fatalf("bind: %v", err)
	}
	return d
}

func newDriver(tb TB, in task.Shape, stages ...task.Stage) (*Driver, error) {
	chain, out, err := task.NewChain(stages, in)
	if err != nil {
		return nil, err
	}
	return &Driver{tb: tb, chain: chain, Out: out, watermark: event.MinTime}, nil
}

// Op makes a driver for one operator of which nothing is known beforehand.
func Op(tb TB, op task.Operator) *Driver {
	tb.Helper()
	return New(tb, task.Shape{}, task.Stage{Label: "op", Op: op})
}

// Add takes a row that comes up at the watermark that it bears, which never goes
// back. Like a task, it lets rows wait to be processed together.
func (d *Driver) Add(r event.Row) {
	d.tb.Helper()
	d.move(r.Watermark)
	d.run = append(d.run, r)
}

func (d *Driver) move(w event.Time) {
	d.tb.Helper()
	if w < d.watermark {
		d.tb.Fatalf("the watermark goes back from %v to %v", d.watermark, w)
	}
	d.watermark = w
}

// Cut ends a batch: the rows that wait are processed.
func (d *Driver) Cut() {
	d.tb.Helper()
	if len(d.run) == 0 {
		return
	}
	lent, giveBack := lend(d.run)
	d.do(func() { d.chain.Process(lent, &d.Sink) })
	giveBack()
	d.run = d.run[:0]
}

// do lets the chain do something, makes what came of it the test's own, and takes back
// what operators were lent for it.
func (d *Driver) do(something func()) {
	d.tb.Helper()
	rows, rejects := len(d.Sink.Rows), len(d.Sink.Rejects)
	something()
	for i := rows + 1; i < len(d.Sink.Rows); i++ {
		if a, b := &d.Sink.Rows[i-1], &d.Sink.Rows[i]; a.Schema == b.Schema && b.Watermark < a.Watermark {
			d.tb.Fatalf("the watermark of what is emitted goes back from %v to %v", a.Watermark, b.Watermark)
		}
	}
	own(&d.Sink, rows, rejects)
	d.chain.Release()
}

// Advance moves the watermark and fires the timers that it passes.
func (d *Driver) Advance(w event.Time) {
	d.tb.Helper()
	d.Cut()
	d.move(w)
	d.do(func() { d.chain.Advance(w, &d.Sink) })
}

// Flush makes the operators emit what has changed.
func (d *Driver) Flush() {
	d.tb.Helper()
	d.Cut()
	for more := true; more; {
		d.do(func() { more = d.chain.Flush(d.watermark, &d.Sink) })
	}
}

// End advances the watermark to the end of time, flushes, and checks that every
// event is accounted for and none is held any more.
func (d *Driver) End() {
	d.tb.Helper()
	d.Advance(event.MaxTime)
	d.Flush()
	d.Balance()
	for _, l := range d.chain.Accounts() {
		if l.Counts[task.Held] != 0 {
			d.tb.Fatalf("%s %s still holds at the end: %v", l.Operator, l.Topic, l.Counts)
		}
	}
}

// Balance checks that every event that came in is accounted for.
func (d *Driver) Balance() {
	d.tb.Helper()
	for _, l := range d.chain.Accounts() {
		if !l.Counts.Balanced() {
			d.tb.Fatalf("%s %s is out of balance: %v", l.Operator, l.Topic, l.Counts)
		}
	}
}

// Accounts are the accounts of the chain.
func (d *Driver) Accounts() []task.Line { return d.chain.Accounts() }

// Total adds up the account of an operator over its topics.
func (d *Driver) Total(operator string) task.Counts {
	var sum task.Counts
	for _, l := range d.chain.Accounts() {
		if l.Operator == operator {
			for i, n := range l.Counts {
				sum[i] += n
			}
		}
	}
	return sum
}

// Empty checks that nothing is left in the state.
func Empty(tb TB, m *state.Memory) {
	tb.Helper()
	if n := m.Keys(); n != 0 {
		tb.Fatalf("%d keys are left in the state", n)
	}
}
