package statefulkafka

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

const live = `
topics: [ a, b ]
watermark: { max_out_of_orderness: 10s, idle_timeout: 1m }
processors:
  - label: minutes
    window: { size: 1m, emit: on_close, aggregates: { n: { count: {} }, total: { sum: { field: v } } } }
`

// one is a record of the value 1.
func one(topic string, ms int64) *kgo.Record { return rec(topic, 0, ms, `{"v":1}`) }

// TestConsumerFirst: records that come while the stream runs are counted within a
// moment, and each change is emitted.
func TestConsumerFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.start(strings.Replace(strings.Replace(live, "on_close", "on_update", 1), "[ a, b ]", "[ a ]", 1), nil)
		time.Sleep(time.Hour)
		if len(s.all()) > 0 {
			t.Error(s.all())
		}
		w.produce(one("a", 5000))
		time.Sleep(time.Second)
		wantEqual(t, s.rows(), []string{minute(0, 0, 1, "1")})
		for i := range 100 {
			w.produce(one("a", int64(6000+i)))
			time.Sleep(time.Second)
			wantEqual(t, s.rows(), []string{minute(0, 0, 2+i, fmt.Sprint(2+i))})
		}
		s.stop()
	}, kfake.SeedTopics(1, "a"))
}

// TestIdleTopic: a topic without records holds the watermark for idle_timeout, while
// another delivers, and no longer. Its next record brings it back.
func TestIdleTopic(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.start(live, nil)
		begin := time.Now()
		for s.rows() == nil && time.Since(begin) < time.Hour {
			w.produce(one("a", time.Since(begin).Milliseconds()))
			time.Sleep(time.Second)
		}
		// The window of the first minute closes when partition B is idle; 10 s later were enough otherwise.
		if took := time.Since(begin); took < 70*time.Second || took > 80*time.Second {
			t.Errorf("the first window closes after %v", took)
		}
		wantEqual(t, s.rows(), []string{minute(0, 0, 60, "60")})
		// A record of B at the time of A's last holds the watermark again.
		w.produce(one("b", time.Since(begin).Milliseconds()))
		closed := len(s.rows())
		for range 50 {
			w.produce(one("a", time.Since(begin).Milliseconds()))
			time.Sleep(time.Second)
		}
		if n := len(s.rows()); n != closed {
			t.Errorf("%d windows close while B holds the watermark", n-closed)
		}
		for range 20 {
			w.produce(one("a", time.Since(begin).Milliseconds()))
			time.Sleep(time.Second)
		}
		if n := len(s.rows()); n != closed+1 {
			t.Errorf("%d windows closed when B was idle again", n-closed)
		}
		s.stop()
		if got := s.letters(); len(got) > 0 {
			t.Error(got)
		}
	}, kfake.SeedTopics(1, "a", "b"))
}

// TestStillness: while nobody delivers, the watermark stands, however long.
func TestStillness(t *testing.T) {
	inWorld(t, func(w *world) {
		s := w.start(live, nil)
		w.produce(one("b", 30_000))
		for i := range 40 {
			w.produce(one("a", int64(i)*10_000))
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Hour)
		if rows := s.rows(); len(rows) > 0 {
			t.Errorf("windows close although all stand still: %v", rows)
		}
		// Leaving that state, B is not idle at once, and its record is in time.
		w.produce(one("a", 400_000))
		time.Sleep(30 * time.Second)
		w.produce(one("b", 31_000))
		time.Sleep(time.Second)
		s.stop()
		if rows, letters := s.rows(), s.letters(); len(rows)+len(letters) > 0 {
			t.Errorf("%v %v", rows, letters)
		}
	}, kfake.SeedTopics(1, "a", "b"))
}

// TestUnreachablePartition: a partition whose broker answers nothing is not idle,
// however long the other delivers; nor is its end taken for known.
func TestUnreachablePartition(t *testing.T) {
	inWorld(t, func(w *world) {
		if err := errors.Join(w.cluster.MoveTopicPartition("a", 0, 0), w.cluster.MoveTopicPartition("b", 0, 1)); err != nil {
			t.Fatal(err)
		}
		w.produce(one("a", 0), one("b", 0))
		s := w.start(live, nil)
		time.Sleep(5 * time.Second)
		away := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets}, Topic: "b", Err: kerr.LeaderNotAvailable, Count: -1})
		w.produce(one("b", 500))
		for i := range 1000 {
			w.produce(one("a", int64(i)*1000))
			time.Sleep(time.Second)
		}
		if rows := s.rows(); len(rows) > 0 {
			t.Errorf("windows close without B: %v", rows)
		}
		if n := strings.Count(s.log.String(), "Kafka does not tell") + strings.Count(s.log.String(), "Partition cannot be fetched"); n == 0 || n > 50 {
			t.Errorf("%d lines tell of it:\n%s", n, s.log)
		}
		away.Remove()
		time.Sleep(30 * time.Second)
		for i := range 80 {
			w.produce(one("b", 1_000_000), one("a", 1_000_000+int64(i)))
			time.Sleep(time.Second)
		}
		s.stop()
		if rows := s.rows(); len(rows) < 16 || rows[0] != minute(0, 0, 63, "63") { // 60 of A, a first one of each, the one of B that was not to be had
			t.Errorf("%d rows %v", len(rows), rows)
		}
		if letters := s.letters(); len(letters) > 0 {
			t.Error(letters)
		}
	}, kfake.SeedTopics(1, "a", "b"), kfake.NumBrokers(2), kfake.Ports(9092, 9093))
}

// txn is a transactional producer.
func (w *world) txn(id string) *kgo.Client {
	w.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(id), kgo.TransactionTimeout(14*time.Minute))
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// send produces within a transaction that it begins.
func (w *world) send(c *kgo.Client, records ...*kgo.Record) {
	w.Helper()
	if err := c.BeginTransaction(); err != nil {
		w.Fatal(err)
	}
	if err := c.ProduceSync(w.Context(), records...).FirstErr(); err != nil {
		w.Fatal(err)
	}
}

func (w *world) settle(c *kgo.Client, how kgo.TransactionEndTry) {
	w.Helper()
	if err := c.EndTransaction(w.Context(), how); err != nil {
		w.Fatal(err)
	}
}

// TestOpenTransaction: what lies behind an open transaction is not at its end, so
// the partition is waited for and never idle. Aborted records are not seen.
func TestOpenTransaction(t *testing.T) {
	for _, how := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		inWorld(t, func(w *world) {
			c := w.txn("x")
			defer c.Close()
			w.produce(one("a", 0), one("b", 0))
			s := w.start(live, nil)
			time.Sleep(time.Second)
			w.send(c, one("b", 1000), one("b", 1001))
			for i := range 400 {
				w.produce(one("a", int64(i)*1000))
				time.Sleep(time.Second)
			}
			if rows := s.rows(); len(rows) > 0 {
				t.Errorf("windows close while a transaction is open: %v", rows)
			}
			w.settle(c, how)
			for i := range 80 {
				w.produce(one("a", 400_000+int64(i)))
				time.Sleep(time.Second)
			}
			s.stop()
			want := minute(0, 0, 64, "64")
			if how == kgo.TryAbort {
				want = minute(0, 0, 62, "62")
			}
			if rows := s.rows(); len(rows) != 6 || rows[0] != want {
				t.Errorf("%v\nwant first %s", rows, want)
			}
			if letters := s.letters(); len(letters) > 0 {
				t.Error(letters)
			}
		}, kfake.SeedTopics(1, "a", "b"))
	}
}

// TestTransactionsAtTheEnd: a bounded run comes to the end behind the markers of
// transactions, and stops before an open one.
func TestTransactionsAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		last func(w *world, c *kgo.Client)
		want string
	}{
		"committed": {func(w *world, c *kgo.Client) { w.settle(c, kgo.TryCommit) }, minute(0, 0, 4, "4")},
		"aborted":   {func(w *world, c *kgo.Client) { w.settle(c, kgo.TryAbort) }, minute(0, 0, 2, "2")},
		"open":      {func(w *world, c *kgo.Client) {}, minute(0, 0, 2, "2")},
		"open, more behind": {func(w *world, c *kgo.Client) {
			w.produce(one("a", 7), one("a", 8))
		}, minute(0, 0, 2, "2")},
		"aborted, more behind": {func(w *world, c *kgo.Client) {
			w.settle(c, kgo.TryAbort)
			w.produce(one("a", 7), one("a", 8))
		}, minute(0, 0, 4, "4")},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				x := w.txn("x")
				defer x.Close()
				w.send(x, one("a", 1), one("a", 2))
				w.settle(x, kgo.TryCommit)
				w.send(x, one("a", 3), one("a", 4))
				c.last(w, x)
				s := w.start(live+"stop_at_end: true", nil).wait()
				wantEqual(t, s.rows(), []string{c.want})
				if took := time.Since(w.begun); took > 30*time.Second {
					t.Errorf("it takes %v", took)
				}
			}, kfake.SeedTopics(1, "a", "b"))
		})
	}
}

// TestNothingButAborted: a partition of aborted records only.
func TestNothingButAborted(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.txn("x")
		defer x.Close()
		for range 3 {
			w.send(x, one("a", 1), one("b", 2))
			w.settle(x, kgo.TryAbort)
		}
		s := w.start(live+"stop_at_end: true", nil).wait()
		wantEqual(t, s.rows(), nil)
		if got := s.account("input").String(); got != "in=0" {
			t.Error(got)
		}
	}, kfake.SeedTopics(1, "a", "b"))
}

// TestNacks: what an output refuses ends the run of its task, and the next one emits
// it again. Of each row an output gets the values in their order, so one that keeps
// what was written last has the right ones in the end.
func TestNacks(t *testing.T) {
	records := orders(9)
	var rows []string
	for _, c := range []struct {
		name string
		runs int64 // of a task at least
		take taker
	}{
		{"none", 1, nil},
		{"the first twice", 2, func(n int, _ service.MessageBatch) error {
			if n < 2 {
				return errors.New("no")
			}
			return nil
		}},
		{"each twice", 5, nack(2)},
		{"each five times, slowly", 10, func() taker {
			r := nack(5)
			return func(n int, b service.MessageBatch) error {
				time.Sleep(10 * time.Millisecond)
				return r(n, b)
			}
		}()},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.produce(records...)
				s := w.start(funnel+"batch_size: 200", c.take).wait()
				last := map[string]row{}
				runs := int64(0)
				for _, m := range s.all() {
					if kind, _ := m.MetaGet(host.MetaKind); kind != host.KindRow {
						continue
					}
					id, r := rowOf(t, m)
					if !r.after(last[id]) {
						t.Errorf("%s: %+v comes behind %+v", id, r, last[id])
					}
					last[id] = r
					runs = max(runs, r.generation)
				}
				if rows == nil {
					rows = s.rows()
				}
				wantEqual(t, s.rows(), rows)
				if len(s.letters()) == 0 {
					t.Error("no dead letters")
				}
				if n := s.account("input")[0]; n != int64(len(records)) {
					t.Errorf("%d of %d records", n, len(records))
				}
				if runs < c.runs {
					t.Errorf("%d runs", runs)
				}
				if err := s.hub.Err(); err != nil {
					t.Error(err)
				}
			}, kfake.SeedTopics(3, "orders", "items", "payments"))
		})
	}
}

// nack refuses each batch so many times, known by its first message.
func nack(times int) taker {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(_ int, b service.MessageBatch) error {
		number, _ := b[0].MetaGetMut(host.MetaTask)
		seq, _ := b[0].MetaGetMut(host.MetaSeq)
		id := fmt.Sprint(number, "/", seq)
		mu.Lock()
		defer mu.Unlock()
		if seen[id]++; seen[id] <= times {
			return errors.New("no")
		}
		return nil
	}
}

// TestStopInMidRun: a stream that is stopped anywhere leaves nothing running: the
// bubble of the test would not end otherwise.
func TestStopInMidRun(t *testing.T) {
	records := orders(10)
	for name, c := range map[string]struct {
		after time.Duration
		take  taker
	}{
		"at once":                  {0, nil},
		"while it reads":           {30 * time.Millisecond, slowly(20 * time.Millisecond)},
		"while an output is slow":  {5 * time.Second, slowly(3 * time.Second)},
		"while an output refuses":  {5 * time.Second, func(int, service.MessageBatch) error { return errors.New("no") }},
		"when it has read all":     {time.Hour, nil},
		"while batches wait again": {1500 * time.Millisecond, nack(1)},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.produce(records...)
				s := w.start(strings.Replace(funnel, "stop_at_end: true", "stop_at_end: false", 1)+"batch_size: 20", c.take)
				time.Sleep(c.after)
				before := time.Now()
				s.stop()
				if took := time.Since(before); took > 70*time.Second {
					t.Errorf("it takes %v", took)
				}
				if err := s.hub.Err(); err != nil {
					t.Error(err)
				}
			}, kfake.SeedTopics(3, "orders", "items", "payments"))
		})
	}
}

// gauge knows how far the client has handed out records. What it fetches and drops
// again, when a partition is paused, does not count.
type gauge struct {
	mu    sync.Mutex
	ends  map[string]int64
	calls int64
}

func (g *gauge) OnFetchRecordUnbuffered(r *kgo.Record, polled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if polled {
		g.ends[r.Topic] = max(g.ends[r.Topic], r.Offset+1)
	}
}

func (g *gauge) read() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.ends["a"] + g.ends["b"])
}

// TestBackPressure: where one topic lies far ahead of another in event time, few of
// its records are held in memory, and all arrive in the end, in order.
func TestBackPressure(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 200,000 records")
	}
	inWorld(t, func(w *world) {
		bulk, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		const behind, ahead = 60_000, 140_000
		for i := range behind + ahead {
			topic := "a"
			if i < behind {
				topic = "b"
			}
			bulk.Produce(w.Context(), one(topic, int64(i)), nil)
		}
		if err := bulk.Flush(w.Context()); err != nil {
			t.Fatal(err)
		}
		bulk.Close()

		g := &gauge{ends: map[string]int64{}}
		w.opts = []kgo.Opt{kgo.WithHooks(g), kgo.FetchMaxPartitionBytes(64 << 10)}
		var mu sync.Mutex
		taken, most := 0, 0
		last := int64(-1)
		s := w.start("topics: [ a, b ]\nstop_at_end: true", func(_ int, b service.MessageBatch) error {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range b {
				ms, _ := m.MetaGetMut(host.MetaTimestamp)
				if ms.(int64) < last {
					t.Errorf("%d after %d", ms, last)
				}
				last = ms.(int64)
			}
			taken += len(b)
			most = max(most, g.read()-taken)
			time.Sleep(10 * time.Millisecond)
			return nil
		}).wait()
		if taken != behind+ahead || s.account("input")[0] != behind+ahead {
			t.Errorf("%d arrive, %v", taken, s.account("input"))
		}
		if most > 2*(hardFactor*mostWaiting+2*pollLimit)+32*1024 { // each partition by a poll and one on its way, or a batch of the producer where that is more, and what is gathered
			t.Errorf("%d records are held at once", most)
		}
		t.Logf("at most %d records held, %d fetched", most, g.calls)
	}, kfake.SeedTopics(1, "a", "b"))
}

// TestDeletedRecords: records that vanish before they are read are a loss that is
// told, and nothing waits for them.
func TestDeletedRecords(t *testing.T) {
	inWorld(t, func(w *world) {
		const most = 20_000 // more than a task holds at a time
		var all []*kgo.Record
		for i := range most {
			all = append(all, one("b", int64(i)))
		}
		w.produce(append(all, one("a", 0))...)
		w.opts = small
		deleted := false
		s := w.start("topics: [ a, b ]\nstop_at_end: true\nbatch_size: 1024", func(int, service.MessageBatch) error {
			if !deleted {
				deleted = true
				if err := w.cluster.DeleteRecords("b", 0, most); err != nil {
					return err
				}
			}
			time.Sleep(time.Second)
			return nil
		}).wait()
		if n := s.account("input")[0]; n <= 1 || n >= most {
			t.Errorf("%d records", n)
		}
		if !strings.Contains(s.log.String(), "Records were deleted before they were read") {
			t.Errorf("%d records, and the log does not tell:\n%s", s.account("input")[0], s.log)
		}
	}, kfake.SeedTopics(1, "a", "b"))
}

// TestTwoStreams: two inputs of one stream work side by side.
func TestTwoStreams(t *testing.T) {
	inWorld(t, func(w *world) {
		w.produce(one("a", 1), one("b", 2), one("b", 3))
		s := w.start(strings.Replace(live, "[ a, b ]", "[ a ]", 1)+"stop_at_end: true\nconsumer_group: g1", nil)
		r := w.start(strings.Replace(live, "[ a, b ]", "[ b ]", 1)+"stop_at_end: true\nconsumer_group: g2", nil)
		wantEqual(t, s.wait().rows(), []string{minute(0, 0, 1, "1")})
		wantEqual(t, r.wait().rows(), []string{minute(0, 0, 2, "2")})
	}, kfake.SeedTopics(1, "a", "b"))
}
