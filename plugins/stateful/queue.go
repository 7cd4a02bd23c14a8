package stateful

import (
	"context"
	"sync"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// queue holds what one task was given and has not committed, in the order in which it
// came. A run of the task is given all of it, and all that comes meanwhile; when it
// fails, the next one is given the same again. So whatever befalls the outputs, within
// the life of a process a message counts once, and no source has to deliver it twice.
//
// Arrivals are numbered through the life of the state: a commit says which number is
// next, as the offset in a partition does.
type queue struct {
	mu     sync.Mutex
	shares []share
	next   int64        // number of the arrival that comes next
	seen   event.Time   // largest event time of the whole input so far
	ended  bool         // nothing more comes
	runner *host.Runner // of the run, nil between two of them
}

// share is what a task got of one batch of the input.
type share struct {
	first    int64 // number of the first arrival
	arrivals []task.Arrival
	receipt  *receipt
}

func (s *share) end() int64 { return s.first + int64(len(s.arrivals)) }

func newQueue(next int64) *queue { return &queue{next: next, seen: event.MinTime} }

// reached is the end of what the task was given, for its figures. How far event time will
// come with that is not known.
func (q *queue) reached(int) (meter.End, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return meter.End{Offset: q.next, Newest: event.MinTime}, true
}

// add gives the task its share of a batch, which may be empty, and tells how far the
// whole input has come behind it.
func (q *queue) add(arrivals []task.Arrival, r *receipt, seen event.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen = seen
	if len(arrivals) > 0 {
		s := share{q.next, arrivals, r}
		for i := range arrivals {
			arrivals[i].Row.Source.Offset = q.next
			q.next++
		}
		q.shares = append(q.shares, s)
		if q.runner != nil {
			q.runner.Deliver(0, task.Arrivals(arrivals), q.next, true)
		}
	}
	if q.runner != nil {
		q.runner.See(0, seen)
	}
}

// end tells that nothing more comes.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	if q.runner != nil {
		q.runner.Finish(0, q.next)
	}
}

// attach lets a run have everything from the number next on, before which everything is
// committed: also what the commit covered whose outcome the last run did not learn.
func (q *queue) attach(ctx context.Context, r *host.Runner, next int64) {
	q.release(ctx, next)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.runner = r
	r.ConfirmEnd(0) // there is nothing to wait for where nothing has come
	for _, s := range q.shares {
		rest := s.arrivals[max(0, next-s.first):]
		r.Deliver(0, task.Arrivals(rest), s.end(), true)
	}
	r.See(0, q.seen)
	if len(q.shares) > 0 {
		r.CommitSoon() // hurry may have been asked for while there was no run
	}
	if q.ended {
		r.Finish(0, q.next)
	}
}

// detach tells that the run is over.
func (q *queue) detach() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.runner = nil
}

// release forgets what is committed: everything before the number next.
func (q *queue) release(ctx context.Context, next int64) {
	q.mu.Lock()
	n := 0
	for n < len(q.shares) && q.shares[n].end() <= next {
		n++
	}
	done := q.shares[:n:n]
	q.shares = q.shares[n:]
	q.mu.Unlock()
	for i := range done {
		done[i].receipt.committed(ctx)
		done[i] = share{}
	}
}

// hurry asks for a commit of all that the task holds.
func (q *queue) hurry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.runner != nil && len(q.shares) > 0 {
		q.runner.CommitSoon()
	}
}

// abandon refuses everything that is not committed.
func (q *queue) abandon(ctx context.Context, why error) {
	q.mu.Lock()
	left := q.shares
	q.shares = nil
	q.mu.Unlock()
	for _, s := range left {
		s.receipt.answer(ctx, why)
	}
}
