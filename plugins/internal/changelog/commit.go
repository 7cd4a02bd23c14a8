package changelog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// maxBatchBytes bounds a batch where the topic takes more: a request must hold it.
const maxBatchBytes = 64 << 20

// Commit writes changes and marker, with the log's generation, in one transaction,
// of which the hook, if there is one, is part; then it tells the local store, whose
// last changes they are. It blocks while the broker is away, until the context ends.
//
// After ErrAborted the same changes may be committed again. After any other error,
// whose outcome is unknown, the log is dead: the task drops its state and opens
// anew. ErrFenced, ErrLocal and ErrTooLarge tell what to do before.
func (l *Log) Commit(ctx context.Context, changes iter.Seq2[[]byte, []byte], m Marker, hook Hook) error {
	if err := l.write(ctx, changes, m, hook); err != nil {
		return l.wrap(err)
	}
	return nil
}

func (l *Log) write(ctx context.Context, changes iter.Seq2[[]byte, []byte], m Marker, hook Hook) error {
	if l.err != nil {
		return l.err
	}
	err := l.transact(ctx, changes, m, hook)
	if err != nil && !errors.Is(err, ErrAborted) {
		l.err = err
	}
	return err
}

func (l *Log) transact(ctx context.Context, changes iter.Seq2[[]byte, []byte], m Marker, hook Hook) error {
	// Taken before anything is written, so that no tombstone behind it is older.
	at := l.cfg.Now()
	m.Generation = l.generation
	marker := m.Append(nil)
	cl := l.producer
	if err := cl.BeginTransaction(); err != nil {
		return classify(err)
	}
	id, epoch, err := cl.ProducerID(ctx)
	if err != nil {
		return classify(err)
	}
	next, err := l.produce(ctx, changes, marker)
	if err != nil {
		return err
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	if err := l.failpoint(afterProduce); err != nil {
		return err
	}
	if hook != nil {
		if err := hook(ctx, cl); err != nil {
			return l.abort(ctx, err)
		}
	}
	if err := l.failpoint(afterHook); err != nil {
		return err
	}
	if i, e, err := cl.ProducerID(ctx); err != nil {
		return classify(err)
	} else if i != id || e != epoch {
		return errRenewed
	}
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("end of the transaction, outcome unknown: %w", classify(err))
	}
	l.committed = next
	if err := l.failpoint(afterEnd); err != nil {
		return err
	}
	return local(l.cfg.Local.Apply(copied{next: next, at: at, told: true, marker: marker}.append(nil)))
}

// produce writes all records and waits for them. It returns the offset behind the last.
func (l *Log) produce(ctx context.Context, changes iter.Seq2[[]byte, []byte], marker []byte) (next int64, err error) {
	var (
		mu    sync.Mutex
		first error
	)
	failed := func() error {
		mu.Lock()
		defer mu.Unlock()
		return first
	}
	done := func(r *kgo.Record, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && first == nil {
			first = l.refused(r, err)
		}
		l.slabs.done()
	}
	// Waits where the client's buffer is full; the client empties it meanwhile.
	send := func(key, value []byte) (r *kgo.Record, err error) {
		mu.Lock()
		r = l.slabs.record(key, value)
		mu.Unlock()
		r.Topic, r.Partition = l.cfg.Topic, l.cfg.Partition
		l.producer.Produce(ctx, r, done)
		return r, failed()
	}
	if changes != nil {
		for key, value := range changes {
			if _, err := send(key, value); err != nil {
				return 0, err
			}
		}
	}
	last, err := send([]byte(state.MarkerKey), marker)
	if err != nil {
		return 0, err
	}
	if err := l.producer.Flush(ctx); err != nil {
		return 0, err
	}
	if err := failed(); err != nil {
		return 0, err
	}
	return last.Offset + 1, nil
}

// lookPause is the time between two looks at the client's list of partitions.
const lookPause = time.Millisecond

// settle waits until the client itself lists the partition that it has written to.
// kgo (1.22.2) hands the first records of a topic to the partition before it stores
// the topic's list of partitions. EndTransaction goes by that list: where the whole
// first transaction overtakes the storing, it finds no partition in the transaction
// and aborts it, or leaves it open, and in both cases reports success. PartitionLeader
// reads the same list, so what it has seen, EndTransaction sees.
func (l *Log) settle(ctx context.Context) error {
	for {
		leader, _, err := l.producer.PartitionLeader(l.cfg.Topic, l.cfg.Partition)
		if leader >= 0 {
			return nil
		}
		if err != nil {
			return err
		}
		timer := time.NewTimer(lookPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// abort takes a transaction back whose hook failed. Where that fails too, the cause is
// told but not passed on: only who was not fenced until the end of the transaction has
// seen things as they are, and may conclude from them that no new attempt helps.
func (l *Log) abort(ctx context.Context, cause error) error {
	if marked := classify(cause); errors.Is(marked, ErrFenced) {
		return marked
	}
	// The end of a transaction ends all that its producer has open in the partition.
	if stable, err := l.offset(ctx, kadm.NewClient(l.producer).ListCommittedOffsets); err != nil {
		return fmt.Errorf("before the abort after %v: %w", cause, err)
	} else if stable < l.committed {
		return fmt.Errorf("%w: stable up to %d, committed up to %d", errForgotten, stable, l.committed)
	}
	if err := l.producer.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("abort after %v: %w", cause, classify(err))
	}
	return fmt.Errorf("%w: %w", ErrAborted, cause)
}

// errForgotten says that the last commit was confirmed and not carried out, as a broker
// that stops in the middle may leave it: an abort now would take it back as well. The next
// opening finds out what became of it.
var errForgotten = errors.New("the broker has not carried out the last commit")
