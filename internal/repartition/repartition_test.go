package repartition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	kafkaevents "github.com/tidemark-streams/tidemark/plugins/kafka_events"
)

// fill writes records whose partitions are each in event-time order, apart by up to
// skew, and returns how many.
func (w *world) fill(topic string, partitions int, skew int64, opts ...kgo.Opt) int {
	w.Helper()
	client := w.connect(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	dice := rand.New(rand.NewPCG(1, uint64(skew)))
	n := 0
	for p := range partitions {
		var records []*kgo.Record
		now := dice.Int64N(skew + 1)
		for range 500 + dice.IntN(500) {
			r := &kgo.Record{
				Topic: topic, Partition: int32(p), Timestamp: at(now), Key: fmt.Appendf(nil, "key %d", dice.IntN(300)),
				Value:   fmt.Appendf(nil, "value %d", n),
				Headers: []kgo.RecordHeader{{Key: "event_type", Value: []byte("x")}, {Key: "event_type", Value: nil}, {Key: "", Value: []byte{}}},
			}
			switch dice.IntN(20) {
			case 0:
				r.Key, r.Headers = nil, nil
			case 1:
				r.Key = []byte{}
			case 2:
				r.Value = nil
			}
			records = append(records, r)
			now += dice.Int64N(3)
			n++
		}
		w.produce(client, records...)
	}
	return n
}

// copied holds a new topic against the old one: the same records, each where a
// producer puts it, in event-time order, and of one time in the old order.
func (w *world) copied(j *Job, pair Pair) {
	w.Helper()
	old, made := w.read(pair.From), w.read(pair.To)
	if a, b := texts(old), texts(made); !maps.Equal(a, b) {
		w.Errorf("%s holds %d different records, %s %d", pair.From, len(a), pair.To, len(b))
	}
	origin := map[string]int{} // of values, which are unique where they are not null
	for p, records := range old {
		for i, r := range records {
			if r.Value != nil {
				origin[string(r.Value)] = int(p)*1_000_000 + i
			}
		}
	}
	where := kgo.StickyKeyPartitioner(nil).ForTopic(pair.To)
	for p, records := range made {
		last := &kgo.Record{}
		for _, r := range records {
			if r.Key != nil && where.Partition(r, int(j.Partitions)) != int(p) {
				w.Errorf("partition %d of %s has key %q", p, pair.To, r.Key)
			}
			if r.Timestamp.Before(last.Timestamp) {
				w.Errorf("%s/%d offset %d is out of order", pair.To, p, r.Offset)
			}
			if r.Timestamp.Equal(last.Timestamp) && r.Value != nil && last.Value != nil && origin[string(r.Value)] < origin[string(last.Value)] {
				w.Errorf("%s/%d offset %d: %q comes after %q, which has the same time", pair.To, p, r.Offset, r.Value, last.Value)
			}
			last = r
		}
	}
}

func TestCopy(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.topic("a", 3, nil)
			w.topic("b", 5, nil)
			w.topic("c", 1, nil)
			n := w.fill("a", 3, 100, kgo.ProducerBatchCompression(codec))
			w.fill("b", 4, 0, kgo.ProducerBatchCompression(codec)) // and one that is empty
			j := w.job(6, "a", "b", "c")
			copies := w.mustRun(j)
			for _, pair := range j.Pairs {
				w.copied(j, pair)
				if got := w.describe(pair.To).partitions; got != 6 {
					t.Errorf("%s has %d partitions", pair.To, got)
				}
			}
			a := copies[0]
			if a.Old != 3 || a.Read.Records != int64(n) || !a.Read.Equal(a.Stored) || a.Skipped+a.Meanwhile != 0 || a.Keyless == 0 {
				t.Errorf("%+v, want %d records", a, n)
			}
			if copies[2].Read.Records != 0 || copies[0].Read.Checksum() == copies[1].Read.Checksum() {
				t.Errorf("%+v", copies)
			}
			if w.said() != "" {
				t.Error(w.said())
			}
		})
	}
}

// Partitions whose event times do not overlap are read one after the other, however
// much the others hold.
func TestSkewedPartitions(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 3, nil)
	w.fill("a", 3, 1_000_000)
	j := w.job(2, "a")
	w.mustRun(j)
	w.copied(j, j.Pairs[0])
}

// A topic to which partitions were added is put in order by copying it to as many.
func TestAddedPartitions(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 2, nil)
	w.fill("a", 2, 10)
	if _, err := kadm.NewClient(w.client).UpdatePartitions(t.Context(), 4, "a"); err != nil {
		t.Fatal(err)
	}
	keyed := w.connect()
	for i := range 300 {
		w.produce(keyed, &kgo.Record{Topic: "a", Key: fmt.Appendf(nil, "key %d", i), Value: fmt.Appendf(nil, "later %d", i), Timestamp: at(1_000_000)})
	}
	j := w.job(4, "a")
	w.mustRun(j)
	w.copied(j, j.Pairs[0])
}

func TestAbortedTransactionsAreLeftOut(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 2, nil)
	client := w.connect(kgo.TransactionalID("x"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for p := range int32(2) {
			for n := range 10 {
				w.produce(client, &kgo.Record{Topic: "a", Partition: p, Key: []byte("k"), Value: fmt.Appendf(nil, "%d %d %d", i, p, n), Timestamp: at(int64(i))})
			}
		}
		if err := client.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	j := w.job(3, "a")
	copies := w.mustRun(j)
	w.copied(j, j.Pairs[0])
	if a := copies[0]; a.Read.Records != 40 || a.Skipped != 40 {
		t.Errorf("%+v", a)
	}
}

// A transaction that is open is waited for.
func TestOpenTransaction(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 1, nil)
	client := w.connect(kgo.TransactionalID("x"))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	w.produce(client, &kgo.Record{Topic: "a", Key: []byte("k"), Timestamp: at(0)})
	j := w.job(3, "a")
	ended := make(chan error, 1)
	logged := j.Log
	j.Log = func(line string) {
		logged(line)
		if strings.Contains(line, "transaction") {
			ended <- client.EndTransaction(context.Background(), kgo.TryCommit)
			j.Log = logged
		}
	}
	if a := w.mustRun(j)[0]; a.Read.Records != 1 {
		t.Errorf("%+v", a)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.copied(j, j.Pairs[0])
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		setUp func(*world)
		want  string
	}{
		"missing": {func(*world) {}, "b: no such topic"},
		"exists with another count": {func(w *world) { w.topic("b", 1, nil); w.topic("b.new", 4, nil) },
			"b.new exists already, with 4 partitions, and is no unfinished copy: delete it if nothing uses it, or choose another suffix"},
		"exists with this count": {func(w *world) { w.topic("b", 1, nil); w.topic("b.new", 6, nil) }, "b.new exists already, with 6 partitions"},
		"log append time":        {func(w *world) { w.topic("b", 1, map[string]string{configTimestamp: "LogAppendTime"}) }, "b replaces event times"},
		"compacted":              {func(w *world) { w.topic("b", 1, map[string]string{configPolicy: "compact"}) }, "b is compacted"},
		"copy of a half": {func(w *world) {
			w.topic("b", 1, map[string]string{kafkaevents.UnfinishedConfig: kafkaevents.UnfinishedValue})
		}, "b is itself a copy that was not finished"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.topic("a", 1, nil)
			c.setUp(w)
			before := w.describe("b.new")
			_, err := w.job(6, "a", "b").Run(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %s", err, c.want)
			}
			if w.describe("a.new").exists || w.describe("b.new").exists != before.exists {
				t.Error("topics were touched")
			}
		})
	}
}

// A run that is cut off in the middle leaves marked topics, of which no other run and
// no stream thinks that they are whole; the next run begins anew, also with another
// number of partitions.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 3, nil)
	w.topic("b", 3, nil)
	w.fill("a", 3, 10)
	w.fill("b", 3, 10)
	ctx, cancel := context.WithCancel(t.Context())
	requests := 0
	w.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		if requests++; requests == 2 { // a is whole, b has begun
			cancel()
		}
		return nil, nil, false
	})
	if _, err := w.job(6, "a", "b").Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, name := range []string{"a.new", "b.new"} {
		if !w.describe(name).unfinished() {
			t.Errorf("%s does not say that it is unfinished", name)
		}
	}
	if _, err := w.job(2, "a.new").Run(t.Context()); err == nil {
		t.Error("half a copy was copied")
	}
	j := w.job(4, "a", "b")
	w.mustRun(j)
	for _, pair := range j.Pairs {
		w.copied(j, pair)
	}
	if !strings.Contains(w.said(), "deleted a.new, which an interrupted run has left unfinished") {
		t.Error(w.said())
	}
	// Now they are whole, may be in use, and are left alone.
	if _, err := w.job(4, "a", "b").Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "a.new exists already") {
		t.Error(err)
	}
	w.copied(j, j.Pairs[0])
}

// What is produced while the copy runs is copied too, and in order: a producer may
// write a partition later than another.
func TestProducersWhileItRuns(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 3, nil)
	j := w.job(4, "a")
	j.Settle = 500 * time.Millisecond
	told := make(chan struct{})
	logged := j.Log
	j.Log = func(line string) {
		logged(line)
		if strings.HasPrefix(line, "a has grown") {
			close(told)
		}
	}
	stopped := make(chan int)
	started := make(chan struct{})
	go func() {
		n := 0
		for rounds, end := 0, 0; ; rounds++ {
			for _, p := range []int32{2, 0, 1} { // the last partition has the greatest time first
				w.produce(w.client, &kgo.Record{Topic: "a", Partition: p, Key: fmt.Appendf(nil, "%d", n%17), Value: fmt.Appendf(nil, "%d", n), Timestamp: at(int64(10*rounds) + int64(p))})
				n++
			}
			if rounds == 100 {
				close(started)
			}
			select {
			case <-told:
				if end++; end > 50 {
					stopped <- n
					return
				}
			default:
			}
		}
	}()
	<-started
	a := w.mustRun(j)[0]
	n := <-stopped
	w.copied(j, j.Pairs[0])
	if a.Read.Records != int64(n) || a.Meanwhile == 0 {
		t.Errorf("%+v, want %d records", a, n)
	}
}

// Records that retention deletes before they are read are counted, also where it
// leaves nothing.
func TestRetentionGoesOn(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 2, nil)
	for p := range int32(2) {
		for i := range 10 {
			w.produce(w.client, &kgo.Record{Topic: "a", Partition: p, Key: []byte("k"), Value: fmt.Appendf(nil, "%d %d", p, i), Timestamp: at(int64(i))})
		}
	}
	j := w.job(3, "a")
	made := w.begin(j)
	offsets := kadm.Offsets{}
	offsets.AddOffset("a", 0, 10, -1)
	offsets.AddOffset("a", 1, 4, -1)
	if _, err := kadm.NewClient(w.client).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(made.follow(t.Context()), made.check(t.Context())); err != nil {
		t.Fatal(err)
	}
	w.copied(j, j.Pairs[0])
	if a := made.account(); a.Read.Records != 6 || a.Skipped != 14 {
		t.Errorf("%+v", a)
	}
}

// A topic that is deleted meanwhile, old or new, ends the run.
func TestTopicIsDeleted(t *testing.T) {
	for name, want := range map[string]string{"a": "a was deleted", "a.new": "a.new takes no copy of a/0 offset 0: UNKNOWN_TOPIC"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.topic("a", 1, nil)
			w.produce(w.client, &kgo.Record{Topic: "a", Key: []byte("k"), Timestamp: at(0)})
			made := w.begin(w.job(3, "a"))
			if _, err := kadm.NewClient(w.client).DeleteTopic(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			if err := made.follow(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}

// begin takes the steps of a job of one topic before the first record.
func (w *world) begin(j *Job) *topicCopy {
	w.Helper()
	sources, err := j.sources(w.Context())
	if err == nil {
		err = j.targets(w.Context(), sources)
	}
	if err != nil {
		w.Fatal(err)
	}
	made, err := j.newCopy(w.Context(), j.Pairs[0], sources[0])
	if err != nil {
		w.Fatal(err)
	}
	return made
}

// The checker is proven: it finds what was added, lost and changed.
func TestCheckNotices(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(*world, *topicCopy)
		want string
	}{
		"added": {func(w *world, c *topicCopy) { w.produce(w.client, &kgo.Record{Topic: c.To, Timestamp: at(0)}) },
			"a.new holds 1 records more than were copied: a broker was restarted and has stored some twice, or something else writes to it"},
		"lost": {func(_ *world, c *topicCopy) { c.read.add(&kgo.Record{}) }, "a.new lacks 1 of the"},
		"changed": {func(w *world, c *topicCopy) {
			c.read.add(&kgo.Record{Value: []byte("x"), Timestamp: at(0)})
			w.produce(w.client, &kgo.Record{Topic: c.To, Value: []byte("y"), Timestamp: at(0)})
		}, "a.new does not hold what was copied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.topic("a", 2, nil)
			w.fill("a", 2, 5)
			j := w.job(3, "a")
			made := w.begin(j)
			if err := errors.Join(made.follow(t.Context()), made.check(t.Context())); err != nil {
				t.Fatal(err)
			}
			c.harm(w, made)
			if err := made.check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// A copy into which something was written twice is made anew.
func TestTwice(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 2, nil)
	w.fill("a", 2, 5)
	j := w.job(3, "a")
	other := w.connect() // the second request
	requests := 0
	w.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if requests++; requests == 1 { // the first batch of the first attempt
			w.cluster.KeepControl()
			w.cluster.SleepControl(func() { w.produce(other, &kgo.Record{Topic: "a.new", Timestamp: at(0)}) })
		}
		return nil, nil, false
	})
	w.mustRun(j)
	w.copied(j, j.Pairs[0])
	if !strings.Contains(w.said(), "; beginning anew") {
		t.Error(w.said())
	}
}

// A record that the new topic refuses ends the run with its place.
func TestRecordIsRefused(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 2, nil)
	w.produce(w.client, &kgo.Record{Topic: "a", Partition: 1, Value: []byte("x"), Timestamp: at(0)})
	j := w.job(3, "a")
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "a.new", Err: kerrInvalidTimestamp, Count: 1})
	_, err := j.Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "a.new takes no copy of a/1 offset 0: INVALID_TIMESTAMP") {
		t.Error(err)
	}
	if !w.describe("a.new").unfinished() {
		t.Error("it passes for whole")
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	w.topic("a", 1, map[string]string{"max.message.bytes": "2000000", "retention.ms": "1000"})
	j := w.job(2, "a")
	w.mustRun(j)
	made := w.describe("a.new")
	if made.configs["max.message.bytes"].value != "2000000" || made.configs["retention.ms"].value != "-1" || made.batchBytes() != 2_000_000 {
		t.Error(made.configs)
	}
	if w.said() != "a.new is made with retention.ms=-1, which is 1000 in the old topic" {
		t.Error(w.said())
	}
}
