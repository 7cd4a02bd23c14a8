package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
)

// ErrTakenOver says that a process has begun the task meanwhile. Nothing has changed.
var ErrTakenOver = errors.New("a consumer has just begun the task: stop the consumers first")

// forgetTimeout is how long the transaction of Forget may be open: below what brokers
// allow by default, and much more than the tombstones of millions of keys take.
const forgetTimeout = 10 * time.Minute

// Forget deletes what the operator with the label has stored of the task, in one
// transaction, and returns the number of its keys. Whoever has the task is fenced. The
// last commit stays what it is but for these keys; only its generation grows, as with
// each writer. The copy is of no use afterwards.
//
// The offsets of the consumer group do not take part: the position that counts is the
// state's, and both stay.
func (s *StateCopy) Forget(ctx context.Context, label string) (keys int64, err error) {
	cfg := s.cfg
	cfg.KgoOpts = append(cfg.KgoOpts[:len(cfg.KgoOpts):len(cfg.KgoOpts)], kgo.TransactionTimeout(forgetTimeout))
	log, last, err := changelog.Open(ctx, cfg)
	if err == nil {
		defer log.Close()
		keys, err = s.forget(ctx, log, last, label)
	}
	if errors.Is(err, changelog.ErrFenced) {
		return 0, fmt.Errorf("%w: %w", ErrTakenOver, err)
	}
	return keys, err
}

func (s *StateCopy) forget(ctx context.Context, log *changelog.Log, last *changelog.Marker, label string) (keys int64, err error) {
	if last == nil {
		return 0, nil // it has no state
	}
	var bad error
	tombstones := func(yield func(key, value []byte) bool) {
		more := true
		bad = s.local.Stored(label, func(key, _ []byte) error {
			if more {
				keys++
				more = yield(key, nil)
			}
			return nil
		})
	}
	// What was not read to its end takes the transaction back.
	whole := func(context.Context, *kgo.Client) error { return bad }
	return keys, log.Commit(ctx, tombstones, *last, whole)
}
