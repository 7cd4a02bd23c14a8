package host

import (
	"context"
	"slices"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// caughtUp tells whether everything that was received is merged. A task that has
// to wait for one partition while another has records waiting is behind, not idle.
func (r *Runner) caughtUp() bool {
	for _, s := range r.task.Sources {
		if s.Len() > 0 {
			return false
		}
	}
	return true
}

func (r *Runner) done() bool {
	for _, s := range r.task.Sources {
		if !s.Done() {
			return false
		}
	}
	return true
}

// waited tells whether the merge has to wait for a partition: neither a record of it
// nor the news that none follows has come.
func (r *Runner) waited() bool {
	return slices.ContainsFunc(r.task.Sources, waits)
}

// waits tells whether the merge has to wait for a source.
func waits(s *task.Source) bool { return s.Len() == 0 && !s.IsAtEnd() && !s.IsIdle() && !s.Done() }

// watchEnds asks for the ends now and then while there are partitions that others
// may leave behind: only answers make them idle. While all stand still nobody asks.
func (r *Runner) watchEnds(now time.Time) {
	if r.idle.still(now) || now.Sub(r.asked) < r.idle.askEvery() {
		return
	}
	for _, s := range r.task.Sources {
		if s.IsAtEnd() && !s.IsIdle() && !s.Done() {
			r.asked = now
			r.feed.Confirm()
			return
		}
	}
}

// confirmEvery is how often the ends of partitions are asked for while the task
// waits at one that has not delivered.
const confirmEvery = 100 * time.Millisecond

// wait sleeps until something is delivered or due.
func (r *Runner) wait(ctx context.Context, commit time.Time) error {
	next := time.Until(commit)
	r.feed.Hungry()
	if r.waited() {
		r.feed.Confirm()
		next = min(next, confirmEvery)
	} else {
		r.watchEnds(time.Now())
		next = min(next, r.idle.askEvery())
	}
	timer := time.NewTimer(max(next, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.wake:
	case <-timer.C:
	case <-r.stop:
	case <-r.quit:
		return errQuit
	}
	return nil
}
