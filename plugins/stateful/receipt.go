package stateful

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// flight counts the messages that were read and are not acknowledged yet. It bounds
// what a stream holds, and slows its source down.
type flight struct {
	limit int

	mu    sync.Mutex
	n     int
	freed chan struct{} // holds a token when some were acknowledged
}

func newFlight(limit int) *flight { return &flight{limit: limit, freed: make(chan struct{}, 1)} }

// full tells whether no more may be read.
func (f *flight) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n >= f.limit
}

func (f *flight) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n += n; n < 0 {
		select {
		case f.freed <- struct{}{}:
		default:
		}
	}
}

// receipt is owed to the source of one batch of messages, whose shares went to several
// tasks. It is acknowledged when the last of them has committed its share.
type receipt struct {
	ack      service.AckFunc
	messages int
	flight   *flight
	log      *service.Logger

	left atomic.Int32 // shares that are not committed
	once sync.Once
}

// committed tells that a share is committed.
func (r *receipt) committed(ctx context.Context) {
	if r.left.Add(-1) == 0 {
		r.answer(ctx, nil)
	}
}

// answer acknowledges the batch, or refuses it, once. A source that does not hear it
// delivers the batch again, which is its right.
func (r *receipt) answer(ctx context.Context, err error) {
	r.once.Do(func() {
		defer r.flight.add(-r.messages)
		if failed := r.ack(ctx, err); failed != nil {
			r.log.With("messages", r.messages, "error", failed).Warn("Messages cannot be acknowledged, and may come again")
		}
	})
}
