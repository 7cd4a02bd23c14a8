package stateful

import (
	"context"
	"errors"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// source is the inner input.
type source interface {
	ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error)
	Close(ctx context.Context) error
}

// reader reads the inner input and gives each task its share.
type reader struct {
	source    source
	extract   extractor
	queues    []*queue // by task
	flight    *flight
	maxFuture time.Duration
	log       *service.Logger

	seen event.Time // largest event time so far
}

// run reads until ctx ends or the inner input does; then ended is true.
func (r *reader) run(ctx context.Context) (ended bool, err error) {
	for {
		if !r.room(ctx) {
			return false, nil
		}
		batch, ack, err := r.source.ReadBatch(ctx)
		switch {
		case errors.Is(err, service.ErrEndOfInput):
			return true, nil
		case ctx.Err() != nil && err != nil:
			return false, nil
		case err != nil:
			return false, err
		}
		r.share(batch, ack)
	}
}

// room waits until another batch may be read. What is in flight waits for commits, which
// are asked for: the interval between them is no limit to the speed.
func (r *reader) room(ctx context.Context) bool {
	for r.flight.full() {
		for _, q := range r.queues {
			q.hurry()
		}
		select {
		case <-r.flight.freed:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// share gives each task its part of a batch. Every arrival bears the largest event time
// of the whole input up to it, and every task is told that of the batch, so that event
// time passes for all of them as if each had all messages.
func (r *reader) share(batch service.MessageBatch, ack service.AckFunc) {
	receipt := &receipt{ack: ack, messages: len(batch), flight: r.flight, log: r.log}
	r.flight.add(len(batch))
	horizon := event.TimeOf(time.Now().Add(r.maxFuture))
	parts := make([][]task.Arrival, len(r.queues))
	for _, m := range batch {
		a, to := r.extract.arrival(m)
		if a.Invalid == "" && a.Row.Time <= horizon {
			r.seen = max(r.seen, a.Row.Time)
		}
		a.Seen = r.seen
		parts[to] = append(parts[to], a)
	}
	shares := int32(0)
	for _, p := range parts {
		if len(p) > 0 {
			shares++
		}
	}
	// One more, so that it is not acknowledged before all tasks have theirs; it also
	// answers a batch of nothing.
	receipt.left.Store(shares + 1)
	for i, q := range r.queues {
		q.add(parts[i], receipt, r.seen)
	}
	receipt.committed(context.Background())
}
