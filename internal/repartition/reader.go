package repartition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// readAhead bounds what all readers of a topic hold, as it was fetched.
	readAhead = 64 << 20
	leastRead = 128 << 10
	mostRead  = 4 << 20
	// stalled is how long a partition may deliver nothing before its end before it is
	// asked why.
	stalled = 2 * time.Second
	// askTimeout bounds the question.
	askTimeout = 5 * time.Second
	// fetchWait is how long a broker holds back its answer where there is nothing.
	fetchWait = 500 * time.Millisecond
)

// place is how far an old partition was read.
type place struct {
	next    int64 // offset
	control int64 // markers of transactions, which are no records
	skipped int64 // offsets without a record that counts: of aborted transactions, or deleted
}

// reader reads one old partition. Each has a client of its own, which fetches ahead
// as far as its buffer goes and then waits: so partitions may be as far apart in
// event time as they like, and memory is bounded.
type reader struct {
	*place
	topic  string
	part   int32
	client *kgo.Client
	log    func(string)
	buf    []*kgo.Record
	absent int // times in a row that the broker knew no such topic
}

func (j *Job) newReader(topic string, part, parts int32, at *place) (*reader, error) {
	size := min(max(readAhead/parts, leastRead), mostRead)
	client, err := j.connect(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {part: kgo.NewOffset().At(at.next)}}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // retention has gone on meanwhile
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // or the position would not reach an end behind a transaction
		kgo.FetchMaxBytes(size), kgo.FetchMaxPartitionBytes(size), kgo.FetchMaxWait(fetchWait),
	)
	if err != nil {
		return nil, err
	}
	return &reader{place: at, topic: topic, part: part, client: client, log: j.Log}, nil
}

// read returns the next record, nil where the partition has none before end.
func (r *reader) read(ctx context.Context, end int64) (*kgo.Record, error) {
	for {
		for len(r.buf) > 0 {
			rec := r.buf[0]
			r.buf[0], r.buf = nil, r.buf[1:]
			if rec.Offset < r.next {
				return nil, fmt.Errorf("%s/%d: offset %d came after %d: the partition was truncated", r.topic, r.part, rec.Offset, r.next-1)
			}
			r.skipped += rec.Offset - r.next
			r.next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				return rec, nil
			}
			r.control++
		}
		if r.next >= end {
			return nil, nil
		}
		if err := r.fetch(ctx); err != nil {
			return nil, err
		}
	}
}

func (r *reader) fetch(ctx context.Context) error {
	wait, done := context.WithTimeout(ctx, stalled)
	defer done()
	fetches := r.client.PollFetches(wait)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.buf = fetches.Records()
	if len(r.buf) > 0 {
		return nil
	}
	if err := lasting(fetches); err != nil {
		return err
	}
	if wait.Err() != nil {
		return r.ask(ctx)
	}
	return nil
}

// lasting is the first error of a fetch that trying again does not mend. Lost
// connections are the client's to mend.
func lasting(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		var lost *kgo.ErrDataLoss
		if answered(e.Err) && !kerr.IsRetriable(e.Err) || errors.As(e.Err, &lost) || errors.Is(e.Err, kgo.ErrClientClosed) {
			return fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	return nil
}

// answered tells errors that a broker has answered with from broken connections.
func answered(err error) bool {
	var told *kerr.Error
	return errors.As(err, &told)
}

// absentTries is how often a broker may not know a topic before it counts as
// deleted: one that has just started may not know it yet.
const absentTries = 5

// ask finds out why a partition delivers nothing, although it has not been read to
// its end. Where nobody answers, that is why. The error is that the topic was deleted.
func (r *reader) ask(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, askTimeout)
	defer done()
	admin := kadm.NewClient(r.client)
	starts, err := admin.ListStartOffsets(ctx, r.topic)
	if err != nil {
		return nil
	}
	if errors.Is(starts.Error(), kerr.UnknownTopicOrPartition) {
		if r.absent++; r.absent == absentTries {
			return fmt.Errorf("%s was deleted", r.topic)
		}
		return nil
	}
	r.absent = 0
	if start, ok := starts.Lookup(r.topic, r.part); ok && start.Err == nil && start.Offset > r.next {
		r.skipped += start.Offset - r.next
		r.next = start.Offset
		return nil
	}
	stable, err := admin.ListCommittedOffsets(ctx, r.topic)
	if err != nil {
		return nil
	}
	if at, ok := stable.Lookup(r.topic, r.part); ok && at.Err == nil && at.Offset <= r.next {
		r.log(fmt.Sprintf("%s/%d: waiting for the end of a transaction that is open at offset %d; one whose producer is gone ends with its timeout", r.topic, r.part, at.Offset))
	}
	return nil
}
