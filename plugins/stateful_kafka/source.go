package statefulkafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// source fetches the partitions of one run of a task. It has a client of its own,
// so that nothing that was fetched for a run comes to the next one.
type source struct {
	cluster *cluster
	task    int32
	client  *kgo.Client
	runner  *host.Runner
	parts   []*part // by topic
	hungry  chan struct{}
}

// part is what the source knows of one partition.
type part struct {
	topic     string
	partition int32

	mu sync.Mutex
	// position is the offset behind what was delivered; asked is where it was when the
	// ends were last asked for.
	position, asked int64
	// end is where a bounded run ends; -1 for none.
	end      int64
	finished bool
	paused   bool

	stable int64      // where the partition ends for readers of what is committed, as far as is known; -1 where it is not
	newest event.Time // largest event time before that, as far as is known

	delivered, merged int64 // records that the task was given, and that it has merged
	bytes             int64 // of what was delivered
}

// load is how many records wait in the task; large ones count for several.
func (x *part) load() int64 {
	return (x.delivered - x.merged) * max(x.bytes/max(x.delivered, 1), recordBytes) / recordBytes
}

const (
	fetchPartitionBytes = 256 << 10
	fetchBytes          = 1 << 20
	fetchWait           = time.Second
)

// open makes the source of a task, which reads its topics from the given offsets on.
func (c *cluster) open(p int32, from map[string]int64) (*source, error) {
	s := &source{cluster: c, task: p, hungry: make(chan struct{}, 1)}
	assign := map[string]map[int32]kgo.Offset{}
	for _, t := range c.cfg.topics {
		x := &part{topic: t, partition: p, position: from[t], asked: -1, end: -1, stable: -1, newest: event.MinTime}
		if end, ok := c.ends.Lookup(t, p); ok {
			x.end = end.Offset
		}
		s.parts = append(s.parts, x)
		assign[t] = map[int32]kgo.Offset{p: kgo.NewOffset().At(from[t])}
	}
	var err error
	s.client, err = kgo.NewClient(c.options(
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // positions have to count them to come to the end
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxWait(fetchWait),
		kgo.WithPools(records{}),
		kgo.WithDecompressor(newDecompressor()),
		kgo.KeepRetryableFetchErrors(), // the client would ask for a deleted topic without a pause
		kgo.ConsumePartitions(assign),
	)...)
	return s, err
}

// read fetches for the runner until ctx ends, and closes the source. An error says
// that a topic is gone.
func (s *source) read(ctx context.Context) error {
	defer s.client.Close()
	defer s.cluster.reads(s)()
	return s.poll(ctx)
}

// Records of up to recordBytes that may wait in the tasks of a process: beyond a
// partition's soft limit, on average, a source fetches only when its task starves; a
// partition beyond its hard limit is paused, which throws away what was fetched for it,
// so that happens only when its neighbours lag far behind in event time.
const (
	waitingRecords = 18 << 10 // the soft limits of all partitions
	mostWaiting    = 4096     // soft limit of a partition where there are few,
	leastWaiting   = 512      // and where there are many
	hardFactor     = 4        // a hard limit is as many soft ones
	pollLimit      = 8192
	recordBytes    = 512
)

// softLimit is that of each partition while the process has so many.
func softLimit(partitions int) int64 {
	return int64(min(max(waitingRecords/max(partitions, 1), leastWaiting), mostWaiting))
}

func (s *source) poll(ctx context.Context) error {
	for {
		if s.full() {
			select {
			case <-s.hungry:
			case <-ctx.Done():
				return nil
			}
		}
		fetches := s.client.PollRecords(ctx, pollLimit)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return nil
		}
		var failed, gone error
		fetches.EachError(func(topic string, p int32, err error) {
			failed = err
			switch {
			case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
				gone = fmt.Errorf("fetching %s/%d: %w", topic, p, err)
			case !kerr.IsRetriable(err):
				s.cluster.warn("Partition cannot be fetched", "topic", topic, "partition", p, "error", err)
			}
		})
		if gone != nil {
			return gone
		}
		fetches.EachPartition(s.deliver)
		fetches.EachRecord((*kgo.Record).Recycle)
		if failed != nil {
			select {
			case <-time.After(failedPause):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// failedPause is waited after a fetch that failed in part, as the client, told to keep
// such errors, asks again at once.
const failedPause = 100 * time.Millisecond

// full tells whether enough records wait to keep the task busy.
func (s *source) full() bool {
	n := int64(0)
	for _, x := range s.parts {
		x.mu.Lock()
		n += x.load()
		x.mu.Unlock()
	}
	return n >= s.cluster.soft.Load()*int64(len(s.parts))
}

// deliver hands the records of one partition to the task.
func (s *source) deliver(f kgo.FetchTopicPartition) {
	for i, x := range s.parts {
		if x.topic == f.Topic && x.partition == f.Partition && len(f.Records) > 0 {
			s.deliverTo(i, x, f)
		}
	}
}

func (s *source) deliverTo(i int, x *part, f kgo.FetchTopicPartition) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.finished {
		return
	}
	size, newest, horizon := 0, event.MinTime, s.cluster.horizon()
	for _, r := range f.Records {
		size += len(r.Key) + len(r.Value)
	}
	records := task.NewBatch(x.topic, x.partition, len(f.Records), size)
	for _, r := range f.Records {
		if x.end >= 0 && r.Offset >= x.end {
			x.position = x.end
			break
		}
		if r.Offset < x.position {
			continue // after a move of its leader the client may fetch a record again
		}
		x.position = r.Offset + 1
		if r.Attrs.IsControl() {
			continue
		}
		var headers []event.Header
		for _, h := range r.Headers {
			headers = append(headers, event.Header{Key: strings.Clone(h.Key), Value: bytes.Clone(h.Value)})
		}
		x.bytes += int64(len(r.Key) + len(r.Value))
		at := event.TimeOf(r.Timestamp)
		if at <= horizon {
			newest = max(newest, at)
		}
		records.Add(at, r.Offset, r.Key, r.Value, headers)
	}
	atEnd := f.HighWatermark == f.LastStableOffset && x.position == f.HighWatermark
	x.stable = f.LastStableOffset
	x.learn(newest)
	x.delivered += int64(records.Len())
	s.runner.Deliver(i, records, x.position, atEnd) // the batch is the task's from now on
	s.finishAtEnd(i, x)
	if x.load() > hardFactor*s.cluster.soft.Load() && !x.paused && !x.finished {
		x.paused = true
		s.client.PauseFetchPartitions(map[string][]int32{x.topic: {x.partition}})
	}
}

// finishAtEnd tells the task that a bounded run has read all that it will read of x,
// its partition i. The caller holds x.mu.
func (s *source) finishAtEnd(i int, x *part) {
	if x.end >= 0 && x.position >= x.end && !x.finished {
		x.finished = true
		s.runner.Finish(i, x.position)
		s.client.PauseFetchPartitions(map[string][]int32{x.topic: {x.partition}})
	}
}

// stands tells the task where the broker says that its partition i ends. It returns
// whether the partition stands before its end since it was last asked.
func (s *source) stands(i int, stable, high int64) (stuck bool) {
	x := s.parts[i]
	x.mu.Lock()
	defer x.mu.Unlock()
	s.finishAtEnd(i, x) // a bounded run may have nothing to read
	if stable == high && x.position == high {
		s.runner.ConfirmEnd(i)
	}
	x.stable = stable
	stuck = x.position < stable && x.position == x.asked && !x.paused && !x.finished
	x.asked = x.position
	return stuck
}

// skipDeleted moves on where records were deleted before they were read. They are
// lost, which is told; waiting for them would be no better.
func (x *part) skipDeleted(start int64, log *service.Logger) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if start > x.position {
		log.With("topic", x.topic, "partition", x.partition, "offset", x.position, "records", start-x.position).
			Error("Records were deleted before they were read: does the topic have retention.ms=-1?")
		x.position = start
	}
}

// The rest is the view that the runner has of its source.

// Hungry tells that the task has nothing to do.
func (s *source) Hungry() { signal(s.hungry) }

// Confirm asks for the ends of the partitions.
func (s *source) Confirm() { signal(s.cluster.confirm) }

// Drained tells how many of the records of partition i are merged.
func (s *source) Drained(i int, merged int64) {
	x := s.parts[i]
	x.mu.Lock()
	defer x.mu.Unlock()
	x.merged = merged
	load, soft := x.load(), s.cluster.soft.Load()
	if x.paused && !x.finished && load < hardFactor/2*soft {
		x.paused = false
		s.client.ResumeFetchPartitions(map[string][]int32{x.topic: {x.partition}})
	}
	if load < soft {
		signal(s.hungry)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
