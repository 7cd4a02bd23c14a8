package bench

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// producer sends records as the project's own does: lz4, by key, the event time as
// the record's timestamp.
type producer struct {
	testing.TB
	client *kgo.Client
	failed atomic.Pointer[error] // the first failure
}

func newProducer(tb testing.TB, kafka *kit.Broker, linger time.Duration) *producer {
	tb.Helper()
	return &producer{TB: tb, client: kafka.Client(tb, kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerLinger(linger), kgo.MaxBufferedRecords(100_000))}
}

func (p *producer) send(r workload.Record) {
	record := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Time)}
	p.client.Produce(p.Context(), record, func(_ *kgo.Record, err error) {
		if err != nil {
			p.failed.CompareAndSwap(nil, &err)
		}
	})
}

// finish waits until the broker has everything.
func (p *producer) finish() {
	p.Helper()
	if err := p.client.Flush(p.Context()); err != nil {
		p.Fatal("producing:", err)
	}
	if err := p.failed.Load(); err != nil {
		p.Fatal("producing:", *err)
	}
}
