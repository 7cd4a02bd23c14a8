package repartition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// world is a broker within the test, and what a job says.
type world struct {
	*testing.T
	cluster *kfake.Cluster
	client  *kgo.Client

	mu    sync.Mutex
	lines []string
}

func newWorld(t *testing.T) *world {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := &world{T: t, cluster: cluster}
	w.client = w.connect(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return w
}

func (w *world) connect(opts ...kgo.Opt) *kgo.Client {
	w.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.cluster.ListenAddrs()...)}, opts...)...)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(client.Close)
	return client
}

func (w *world) topic(name string, partitions int, configs map[string]string) {
	w.Helper()
	set := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	for k, v := range configs {
		set[k] = &v
	}
	if _, err := kadm.NewClient(w.client).CreateTopic(w.Context(), int32(partitions), 1, set, name); err != nil {
		w.Fatal(err)
	}
}

func (w *world) produce(client *kgo.Client, records ...*kgo.Record) {
	w.Helper()
	if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.Fatal(err)
	}
}

// job copies topics of one letter to those of the same letter and a suffix.
func (w *world) job(partitions int32, topics ...string) *Job {
	j := &Job{
		Client: w.connect(), Options: []kgo.Opt{kgo.SeedBrokers(w.cluster.ListenAddrs()...)}, Partitions: partitions,
		Settings: map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "message.timestamp.type": "CreateTime"},
		Settle:   20 * time.Millisecond, Progress: &Progress{},
		Log: func(line string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.lines = append(w.lines, line)
		},
	}
	for _, t := range topics {
		j.Pairs = append(j.Pairs, Pair{t, t + ".new"})
	}
	return j
}

func (w *world) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "\n")
}

// mustRun runs a job that has to succeed.
func (w *world) mustRun(j *Job) []Copied {
	w.Helper()
	copies, err := j.Run(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, pair := range j.Pairs {
		if w.describe(pair.To).unfinished() {
			w.Errorf("%s is marked as unfinished", pair.To)
		}
	}
	return copies
}

func (w *world) describe(name string) topic {
	w.Helper()
	t, err := (&Job{Client: w.client}).describe(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return t
}

// read returns what a topic holds for readers of committed records, by partition.
func (w *world) read(name string) map[int32][]*kgo.Record {
	w.Helper()
	client := w.connect(kgo.ConsumeTopics(name), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	ends, err := kadm.NewClient(client).ListEndOffsets(w.Context(), name)
	starts, serr := kadm.NewClient(client).ListStartOffsets(w.Context(), name)
	if err := errors.Join(err, serr, ends.Error(), starts.Error()); err != nil {
		w.Fatal(err)
	}
	left := map[int32]int64{}
	for p, o := range ends[name] {
		if o.Offset > starts[name][p].Offset {
			left[p] = o.Offset
		}
	}
	found := map[int32][]*kgo.Record{}
	for len(left) > 0 {
		fetches := client.PollFetches(w.Context())
		if err := fetches.Err(); err != nil {
			w.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				found[r.Partition] = append(found[r.Partition], r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return found
}

// text is all of a record that a copy has to keep.
func text(r *kgo.Record) string {
	var b strings.Builder
	field := func(name string, v []byte) {
		if v == nil {
			fmt.Fprintf(&b, "%s=null ", name)
			return
		}
		fmt.Fprintf(&b, "%s=%q ", name, v)
	}
	field("key", r.Key)
	field("value", r.Value)
	for _, h := range r.Headers {
		field("header "+h.Key, h.Value)
	}
	fmt.Fprintf(&b, "at %d", r.Timestamp.UnixMilli())
	return b.String()
}

// texts counts records by their text.
func texts(parts map[int32][]*kgo.Record) map[string]int {
	n := map[string]int{}
	for _, records := range parts {
		for _, r := range records {
			n[text(r)]++
		}
	}
	return n
}

func at(ms int64) time.Time { return time.UnixMilli(1_500_000_000_000 + ms) }
