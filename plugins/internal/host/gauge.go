package host

import (
	"context"
	"errors"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/figures"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// gauge is what a runner notes for the figures of its task. All of it is plain fields of the
// runner's goroutine; others learn of it a few times a second.
type gauge struct {
	task   *meter.Task // nil where nobody wants to know
	stream *meter.Stream
	usage  func() []state.Usage

	stood   time.Time // when it was last told how the task stands
	sources []meter.Source
	heads   []head

	commit   *figures.Commit // the last one of this run, nil before it
	reported bool            // this run has told its figures

	// The arrival of the first record that rows may tell of: merged is of those that operators
	// have and may not have told of, emitted of the rows in the sink, pending of the messages.
	merged, emitted, pending time.Time
}

// head is what stood first in a source before a step.
type head struct {
	arrived time.Time
	waiting int
}

// standEvery is how often it is told under load how the task stands.
const standEvery = 100 * time.Millisecond

// Meter has the runner leave its figures with t, a task of s. Usage tells what the operators
// have stored; it is called by the goroutine that runs them. It is to be called before Run.
func (r *Runner) Meter(s *meter.Stream, t *meter.Task, usage func() []state.Usage) {
	r.gauge.stream, r.gauge.task, r.gauge.usage = s, t, usage
}

// step merges records, and notes when they arrived.
func (r *Runner) step() int {
	g := &r.gauge
	for i, s := range r.task.Sources {
		g.heads[i] = head{s.Arrived(), s.Len()}
	}
	n := r.task.Step(r.opts.BatchSize, event.TimeOf(time.Now().Add(r.opts.MaxFuture)), &r.sink)
	if n > 0 {
		for i, s := range r.task.Sources {
			if s.Len() != g.heads[i].waiting {
				g.merged = earlier(g.merged, g.heads[i].arrived)
			}
		}
	}
	return n
}

// earlier is the earlier of two times of which zero ones are none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// told notes that the operators have emitted all that has changed.
func (g *gauge) told() { g.emitted, g.merged = earlier(g.emitted, g.merged), time.Time{} }

// stamped notes that so many rows become messages.
func (g *gauge) stamped(rows int) {
	if rows > 0 {
		g.pending = earlier(g.pending, earlier(g.emitted, g.merged))
	}
	g.emitted = time.Time{}
}

// acknowledgement is what is to be done when outputs have taken messages.
func (r *Runner) acknowledgement(messages service.MessageBatch) func() {
	since, stream := r.gauge.pending, r.gauge.stream
	if since.IsZero() || stream == nil {
		return func() {}
	}
	rows := len(messages)
	if r.bundler != nil {
		rows = 0
		for _, m := range messages {
			rows += RowCount(m)
		}
	}
	return func() { stream.Acknowledged(rows, time.Since(since)) }
}

// stand tells how the task stands.
func (r *Runner) stand(now time.Time) {
	g := &r.gauge
	g.stood = now
	if g.task == nil {
		return
	}
	g.sources = g.sources[:0]
	holder := -1
	for i, s := range r.task.Sources {
		g.sources = append(g.sources, meter.Source{
			Topic: s.Topic, Partition: s.Partition, Next: s.Next(), Seen: s.Seen(), Waiting: int64(s.Len()),
			Idle: s.IsIdle(), Waited: waits(s),
		})
		if !s.IsIdle() && !s.Done() && (holder < 0 || s.Seen() < g.sources[holder].Seen) {
			holder = i
		}
	}
	if holder >= 0 {
		g.sources[holder].Holder = true
	}
	g.task.Stand(r.task.Watermark(), r.task.HasSeenRecord(), g.sources)
}

// tally tells what was committed.
func (r *Runner) tally() {
	if r.gauge.task != nil {
		r.gauge.task.Commit(r.task.Accounts())
		r.measure()
	}
}

// measure tells what the operators have stored.
func (r *Runner) measure() {
	if r.gauge.usage != nil {
		r.gauge.task.Store(r.gauge.usage())
	}
}

// watch takes the time of one commit.
type watch struct {
	stream *meter.Stream
	last   time.Time
	kept   bool // there was something to commit
	phases []meter.Phase
	took   []time.Duration
}

func (r *Runner) watch() watch { return watch{stream: r.gauge.stream, last: time.Now()} }

// lap notes that a part of the commit is done.
func (w *watch) lap(p meter.Phase) {
	now := time.Now()
	w.phases, w.took = append(w.phases, p), append(w.took, now.Sub(w.last))
	w.last = now
}

// over counts the commit, if there was anything to commit, or its failure. To be asked to
// stop is none.
func (w *watch) over(ctx context.Context, err error) {
	switch {
	case w.stream == nil:
	case err != nil:
		if !errors.Is(err, errQuit) && !errors.Is(orCause(ctx, err), context.Canceled) {
			w.stream.CommitFailed()
		}
	case w.kept:
		for i, p := range w.phases {
			w.stream.Committed(p, w.took[i])
		}
	}
}
