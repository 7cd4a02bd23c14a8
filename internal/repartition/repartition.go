// Package repartition copies topics into new ones with another number of partitions,
// so that every key lies where producers put it, and each new partition is in the
// order of event time as far as the old ones were.
//
// The old partitions of a topic are merged by event time, as a task merges its
// sources, and what comes out is produced in that order with the partitioner of
// kafka_events. Old topics are only read. New ones are made by the job, and bear a
// mark (kafkaevents.Unfinished) from their creation until all of them are copied and
// checked: inputs and outputs refuse a topic with the mark, and the next run deletes
// it and begins anew. So a job may be cut off anywhere, and a part of a topic never
// passes for the whole.
package repartition

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Pair is an old topic and the new one.
type Pair struct{ From, To string }

// Job is one run.
type Job struct {
	Client     *kgo.Client // that has reached a broker
	Options    []kgo.Opt   // that make more clients like it
	Pairs      []Pair
	Partitions int32             // of the new topics
	Settings   map[string]string // of the new topics, before those of the old ones
	// Settle is how long a topic must not grow to be taken for complete, and how much
	// later than others a producer may write what comes before theirs.
	Settle time.Duration
	// Log is told of what the user should know, a line at a time. It may be called by
	// several goroutines.
	Log      func(line string)
	Progress *Progress

	complained atomic.Int64 // when an outage was last logged, Unix seconds
}

// Progress is how far a job has come. It may be read while the job runs.
type Progress struct {
	checking    atomic.Bool
	done, total atomic.Int64
}

// State is what has been done of what is to do, and what it is that is done.
func (p *Progress) State() (done, total int, verb string) {
	verb = "copied"
	if p.checking.Load() {
		verb = "checked"
	}
	return int(p.done.Load()), int(p.total.Load()), verb
}

func (p *Progress) begin(checking bool, total int64) {
	p.checking.Store(checking)
	p.done.Store(0)
	p.total.Store(total)
}

// Copied is the account of one topic.
type Copied struct {
	Pair
	Old       int32  // partitions
	Read      Digest // of the old topic
	Stored    Digest // of the new topic, read back
	Keyless   int64  // records without a key, which were spread
	Skipped   int64  // offsets of the old topic without a record that counts
	Meanwhile int64  // offsets that it has grown by since the beginning
}

// complainEvery is how often an outage is logged.
const complainEvery = 30 * time.Second

// OnBrokerConnect is a hook of the clients. They try again for as long as it takes.
func (j *Job) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	now, last := time.Now().Unix(), j.complained.Load()
	if now-last >= int64(complainEvery.Seconds()) && j.complained.CompareAndSwap(last, now) {
		j.Log(fmt.Sprintf("broker %s cannot be reached, trying again: %v", net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port))), err))
	}
}

// attempts is how often a copy is begun anew that holds more than it should.
const attempts = 3

// errMore says that a new topic holds more records than were copied. Brokers forget
// the last batches of an idempotent producer when those are older than
// producer.id.expiration.ms, and they tell that by the time of the records: so one
// that was restarted may store a batch twice, when it is sent again.
var errMore = errors.New("records more than were copied")

// Run copies and checks until the old topics hold nothing that was not copied.
func (j *Job) Run(ctx context.Context) ([]Copied, error) {
	for n := 1; ; n++ {
		copies, err := j.attempt(ctx)
		if n == attempts || !errors.Is(err, errMore) {
			return copies, err
		}
		j.Log(fmt.Sprintf("%v; beginning anew", err))
	}
}

func (j *Job) attempt(ctx context.Context) ([]Copied, error) {
	sources, err := j.sources(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.targets(ctx, sources); err != nil {
		return nil, err
	}
	copies := make([]*topicCopy, len(j.Pairs))
	for i, pair := range j.Pairs {
		if copies[i], err = j.newCopy(ctx, pair, sources[i]); err != nil {
			return nil, err
		}
	}
	for grown := true; grown; {
		var left, all int64
		for _, c := range copies {
			left += c.left()
		}
		j.Progress.begin(false, left)
		for _, c := range copies {
			if err := c.follow(ctx); err != nil {
				return nil, err
			}
			all += c.read.Records - c.stored.Records
		}
		j.Progress.begin(true, all)
		for _, c := range copies {
			if err := c.check(ctx); err != nil {
				return nil, err
			}
		}
		grown = false
		for _, c := range copies {
			more, err := c.look(ctx)
			if err != nil {
				return nil, err
			}
			grown = grown || more
		}
	}
	if err := j.finish(ctx); err != nil {
		return nil, err
	}
	accounts := make([]Copied, len(copies))
	for i, c := range copies {
		accounts[i] = c.account()
	}
	return accounts, nil
}
