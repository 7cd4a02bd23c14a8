package repartition

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// writer produces into a new topic.
type writer struct {
	copy   *topicCopy
	client *kgo.Client
	fail   context.CancelCauseFunc
	once   sync.Once
}

// What waits for the broker's answer.
const (
	bufferedRecords = 10_000
	bufferedBytes   = 32 << 20
)

// unknownTries is how often the broker may not know the new topic.
const unknownTries = 10

func (j *Job) newWriter(c *topicCopy, fail context.CancelCauseFunc) (*writer, error) {
	client, err := j.connect(
		kgo.DefaultProduceTopic(c.To),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// As kafka_events does by default, and so where it will put the next records.
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerBatchMaxBytes(c.batch),
		kgo.UnknownTopicRetries(unknownTries),
		kgo.MaxBufferedRecords(bufferedRecords),
		kgo.MaxBufferedBytes(max(bufferedBytes, 2*int(c.batch))),
	)
	if err != nil {
		return nil, err
	}
	return &writer{copy: c, client: client, fail: fail}, nil
}

// write produces a copy of a record. It waits while too many are under way; the first
// that is refused ends the run.
func (w *writer) write(ctx context.Context, r *kgo.Record) {
	if r.Key == nil {
		w.copy.keyless++
	}
	w.copy.read.add(r)
	w.copy.job.Progress.done.Add(1)
	from, offset := r.Partition, r.Offset
	w.client.Produce(ctx, &kgo.Record{Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}, func(_ *kgo.Record, err error) {
		if err != nil {
			w.once.Do(func() {
				w.fail(fmt.Errorf("%s takes no copy of %s/%d offset %d: %w", w.copy.To, w.copy.From, from, offset, err))
			})
		}
	})
}

func (w *writer) flush(ctx context.Context) error {
	if err := w.client.Flush(ctx); err != nil {
		return context.Cause(ctx)
	}
	return context.Cause(ctx)
}

func (w *writer) close() { w.client.Close() }
