package statefulkafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// runs counts the runs of the tasks, in so many generations.
func (w *world) runs() (n int64) {
	for p := range int64(3) {
		n += w.db.generation(p)
	}
	return n
}

// TestGenerationErrors: in the middle of a rebalance the group refuses offsets. The
// task is still ours: it commits the same set again, and nothing starts anew.
func TestGenerationErrors(t *testing.T) {
	records := shoppers(41, 3)
	want := undisturbed(t, records)
	for _, answer := range []*kerr.Error{kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.FencedInstanceID} {
		t.Run(answer.Message, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				s := w.start(strings.Replace(endless, "stop_at_end: false", "stop_at_end: true", 1), slowly(50*time.Millisecond))
				w.within(10*time.Second, "it runs", w.works(s, nil, 0, 1, 2))
				fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: answer, Count: 12})
				s.wait()
				if n := fault.Hits(); n != 12 {
					t.Errorf("%d faults", n)
				}
				if n := w.runs(); n != 3 || strings.Contains(s.log.String(), "starts again") {
					t.Errorf("%d runs\n%s", n, s.log)
				}
				healthy(t, s)
				w.outcome(s).want(t, want)
			}, shopTopics)
		})
	}
}

// TestTroubleWithTransactions: whatever step of a commit or of a begin fails, the task
// starts again from what Kafka says was committed.
func TestTroubleWithTransactions(t *testing.T) {
	records := shoppers(42, 3)
	want := undisturbed(t, records)
	some := func() func(kmsg.Request) bool { // a few go well in between
		n := 0
		return func(kmsg.Request) bool { n++; return n%4 == 0 }
	}
	fault := func(key kmsg.Key, err *kerr.Error, count int, when func(kmsg.Request) bool) func(w *world) func() int {
		return func(w *world) func() int {
			return w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: count, When: when}).Hits
		}
	}
	for name, strike := range map[string]func(w *world) func() int{
		"EndTxn, unknown error":             fault(kmsg.EndTxn, kerr.UnknownServerError, 10, some()),
		"EndTxn, fenced":                    fault(kmsg.EndTxn, kerr.ProducerFenced, 10, some()),
		"EndTxn, invalid state":             fault(kmsg.EndTxn, kerr.InvalidTxnState, 10, some()),
		"EndTxn, the answer is lost":        func(w *world) func() int { return w.machine(0).lose(kmsg.EndTxn, 4, 10, true) },
		"EndTxn, the request is lost":       func(w *world) func() int { return w.machine(0).lose(kmsg.EndTxn, 4, 10, false) },
		"produce, the answer is lost":       func(w *world) func() int { return w.machine(0).lose(kmsg.Produce, 4, 10, true) },
		"offsets, the answer is lost":       func(w *world) func() int { return w.machine(0).lose(kmsg.TxnOffsetCommit, 4, 10, true) },
		"add offsets, the answer is lost":   func(w *world) func() int { return w.machine(0).lose(kmsg.AddOffsetsToTxn, 4, 10, true) },
		"InitProducerID, answer lost":       func(w *world) func() int { return w.machine(0).lose(kmsg.InitProducerID, 1, 4, true) },
		"InitProducerID, coordinator":       fault(kmsg.InitProducerID, kerr.CoordinatorNotAvailable, 30, nil),
		"InitProducerID, unknown error":     fault(kmsg.InitProducerID, kerr.UnknownServerError, 10, nil),
		"InitProducerID, transaction":       fault(kmsg.InitProducerID, kerr.ConcurrentTransactions, 30, nil),
		"InitProducerID, timeout":           fault(kmsg.InitProducerID, kerr.RequestTimedOut, 10, nil),
		"OffsetFetch, coordinator":          fault(kmsg.OffsetFetch, kerr.CoordinatorNotAvailable, 30, nil),
		"OffsetFetch, loading":              fault(kmsg.OffsetFetch, kerr.CoordinatorLoadInProgress, 30, nil),
		"OffsetFetch, unknown error":        fault(kmsg.OffsetFetch, kerr.UnknownServerError, 10, nil),
		"OffsetFetch, unstable":             fault(kmsg.OffsetFetch, kerr.UnstableOffsetCommit, 10, nil),
		"TxnOffsetCommit, unknown error":    fault(kmsg.TxnOffsetCommit, kerr.UnknownServerError, 10, some()),
		"TxnOffsetCommit, coordinator":      fault(kmsg.TxnOffsetCommit, kerr.NotCoordinator, 10, some()),
		"AddOffsetsToTxn, transaction":      fault(kmsg.AddOffsetsToTxn, kerr.ConcurrentTransactions, 30, nil),
		"AddOffsetsToTxn, producer's epoch": fault(kmsg.AddOffsetsToTxn, kerr.InvalidProducerEpoch, 10, some()),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				hits := strike(w)
				s := w.start(strings.Replace(endless, "stop_at_end: false", "stop_at_end: true", 1), slowly(100*time.Millisecond)).wait()
				if n := hits(); n < 2 { // how many there are to strike depends on the order of goroutines
					t.Errorf("%d faults", n)
				}
				healthy(t, s)
				w.outcome(s).want(t, want)
				if took := time.Since(w.begun); took > 5*time.Minute {
					t.Errorf("it takes %v, %d runs", took, w.runs())
				}
				if n := strings.Count(s.log.String(), "\n"); n > 150 { // the steps of three tasks, three lines each for every time that they are lost
					t.Errorf("%d lines:\n%s", n, s.log)
				}
			}, shopTopics)
		})
	}
}

// loss is what befalls requests of one kind on their way.
type loss struct {
	key    kmsg.Key
	every  int64
	most   int64
	answer bool // the request arrives, its answer does not

	seen, lost atomic.Int64
}

// lose loses every n-th request of a kind, or its answer, at most so many times; its
// connection is gone then. What it returns tells how many were lost.
func (p *machine) lose(key kmsg.Key, n, most int64, answer bool) func() int {
	l := &loss{key: key, every: n, most: most, answer: answer}
	p.loss.Store(l)
	return func() int { return int(l.lost.Load()) }
}

// strikes tells whether a request is one to lose.
func (l *loss) strikes(request []byte) bool {
	if l == nil || len(request) < 6 || kmsg.Key(binary.BigEndian.Uint16(request[4:])) != l.key || l.seen.Add(1)%l.every != 0 {
		return false
	}
	return l.lost.Add(1) <= l.most
}

var errLost = fmt.Errorf("reset by the test: %w", net.ErrClosed)

// TestTakenOver: what an output says to a process whose task another one has taken
// over is no failure of the stream.
func TestTakenOver(t *testing.T) {
	records := shoppers(43, 3)
	want := undisturbed(t, records)
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(records...)
		a := w.machine(0).start(endless, slowly(12*time.Second)) // it writes when others have its tasks
		w.within(10*time.Second, "the first has all", w.works(a, nil, 0, 1, 2))
		time.Sleep(time.Second)
		w.machine(0).set(silent)
		b := w.machine(1).start(endless, slowly(100*time.Millisecond))
		w.within(time.Minute, "the second has all", func() bool { return len(b.owns()) == 3 })
		w.machine(0).set(up) // in time to hear from the database first
		w.within(time.Minute, "a zombie writes", func() bool {
			w.db.mu.Lock()
			defer w.db.mu.Unlock()
			return w.db.fenced > 0
		})
		time.Sleep(20 * time.Second)
		healthy(t, a, b)
		a.stop()
		b.stop()
		c := w.machine(0).start(funnel, nil).wait()
		w.outcome(c).want(t, want)
	}, shopTopics)
}

// TestForeignRowsAreNoGuess: where it is not known who fenced the rows, the run
// starts again, and offsets and state still belong together.
func TestForeignRowsAreNoGuess(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 50 {
			w.produce(rec("a", 0, int64(5000+i), fmt.Sprintf(`{"id":"%d","v":1}`, i)))
		}
		n := 0
		s := w.start(counting+"batch_size: 5\nemit_interval: 1ms", func(int, service.MessageBatch) error {
			if n++; n == 1 {
				w.machine(0).lose(kmsg.EndTxn, 1, 100, true)
				go func() {
					time.Sleep(30 * time.Second)
					w.machine(0).loss.Store(nil)
				}()
				return fmt.Errorf("a table: %w", host.ErrFenced)
			}
			return nil
		}).wait()
		if err := s.hub.Err(); err != nil {
			t.Errorf("%v\n%s", err, s.log)
		}
		wantEqual(t, s.rows(), []string{minute(0, 0, 50, "50")})
	}, kfake.SeedTopics(1, "a"))
}

// TestCommittedTogether: whenever offsets are committed, they are those of the
// changelog's last marker, whatever befalls the process in between.
func TestCommittedTogether(t *testing.T) {
	inWorld(t, func(w *world) {
		w.produce(shoppers(44, 3)...)
		w.opts = small
		for i := range 12 {
			s := w.start(endless, slowly(30*time.Millisecond))
			time.Sleep(time.Duration(400+i*171) * time.Millisecond)
			w.machine(0).set(refused)
			time.Sleep(20 * time.Second) // nothing is left of it in the group
			w.machine(0).set(up)
			s.stop()
			if err := s.hub.Err(); err != nil {
				t.Fatal(err)
			}
		}
		o, err := kadm.NewClient(w.client).FetchOffsets(w.Context(), "test")
		if err = errors.Join(err, o.Error()); err != nil || len(o) != 3 {
			t.Error(o, err)
		}
	}, shopTopics)
}
