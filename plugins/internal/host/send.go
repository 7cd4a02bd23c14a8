package host

import (
	"context"
	"fmt"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// flush makes the operators emit what has changed, and hands it on as it comes.
func (r *Runner) flush(ctx context.Context) error {
	for r.task.Flush(&r.sink) {
		if r.unsaid() >= gather*r.opts.BatchSize {
			r.stamp()
			if err := r.send(ctx); err != nil {
				return err
			}
		}
	}
	r.gauge.told()
	return nil
}

// sendEvery is how long what is emitted under load may wait for more: a few rows cost an
// output nearly as much as many.
const sendEvery = 100 * time.Millisecond

// gather is how many batches are made at a time, as the rows of each operator go to a
// table of their own.
const gather = 12

// unsaid is the number of rows and dead letters that are no messages yet.
func (r *Runner) unsaid() int { return len(r.sink.Rows) + len(r.sink.Rejects) }

// stamp makes messages of what was emitted, and numbers all of it in that order.
func (r *Runner) stamp() {
	r.gauge.stamped(r.unsaid())
	if r.bundler != nil {
		r.bundler.expect(r.sink.Rows)
	}
	for i := range r.sink.Rows {
		row := &r.sink.Rows[i]
		r.seq++
		if r.bundler == nil || row.Schema == nil { // what nobody has decoded is its own message
			r.put(outgoing(row))
		} else if b := r.bundler.add(row, r.seq); b != nil {
			r.put(b.message())
		}
	}
	for i := range r.sink.Rejects {
		r.seq++
		r.put(DeadLetter(&r.sink.Rejects[i]))
	}
	r.sink.Reset()
}

// put marks a message with the number of its last row, for the outputs to take.
func (r *Runner) put(m *service.Message) {
	m.MetaSetMut(MetaStream, r.run.Stream)
	m.MetaSetMut(MetaTask, int64(r.run.Task))
	m.MetaSetMut(MetaGeneration, r.run.Generation)
	m.MetaSetMut(MetaSeq, r.seq)
	r.pending = append(r.pending, m)
}

// portion is how many of the pending messages make a batch.
func (r *Runner) portion() int {
	if r.bundler == nil {
		return min(len(r.pending), r.opts.BatchSize)
	}
	rows := 0
	for i, m := range r.pending {
		if rows += RowCount(m); rows > r.opts.BatchSize {
			return i
		}
	}
	return len(r.pending)
}

// send hands messages to the outputs. It blocks while they are busy: that is how
// they slow the task down.
func (r *Runner) send(ctx context.Context) error {
	for len(r.pending) > 0 {
		n := r.portion()
		taken := r.inflight.add()
		acknowledged := r.acknowledgement(r.pending[:n])
		b := Batch{Messages: r.pending[:n:n], Done: func(err error) {
			if err != nil {
				r.refused(fmt.Errorf("an output refused %d messages: %w", n, err))
			} else {
				acknowledged()
			}
			taken()
		}}
		select {
		case r.out <- b:
			r.pending = r.pending[n:]
			continue
		case <-r.quit:
			taken()
			return errQuit
		case <-ctx.Done():
			taken()
			return ctx.Err()
		}
	}
	r.pending, r.gauge.pending = nil, time.Time{}
	return nil
}

// Settle waits until the outputs have taken or refused what the run handed to them,
// at most until ctx ends: the next run's rows should come behind this one's.
func (r *Runner) Settle(ctx context.Context) { _ = r.inflight.wait(ctx, nil) }
