package group

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const txn = "g-0"

// producer is a client with a transactional id.
func (w *world) producer() *kgo.Client {
	w.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.TransactionalID(txn), kgo.RequestRetries(2))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(cl.Close)
	return cl
}

// begin opens a transaction, with a record in it.
func (w *world) begin(cl *kgo.Client) {
	w.Helper()
	w.must(cl.BeginTransaction())
	w.must(cl.ProduceSync(w.Context(), &kgo.Record{Topic: "log", Value: []byte("v")}).FirstErr())
}

func offsets(a, b int64) kadm.Offsets {
	o := kadm.Offsets{}
	for topic, at := range map[string]int64{"a": a, "b": b} {
		o.Add(kadm.Offset{Topic: topic, At: at, LeaderEpoch: -1, Metadata: "of " + topic})
	}
	return o
}

func (w *world) committed(m *process, want kadm.Offsets) {
	w.Helper()
	got, err := m.Fetch(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, ps := range got {
		for p, o := range ps {
			o.TopicID = kadm.TopicID{} // whatever it is
			ps[p] = o
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("committed %v, want %v", got, want)
	}
}

func TestOffsetsAreOfTheTransaction(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.join("x", "id-x")
		w.after(5 * time.Second)
		w.committed(x, nil)
		cl := w.producer()
		for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			w.begin(cl)
			w.must(x.Offsets(txn, offsets(7, 8))(w.Context(), cl))
			w.committed(x, nil)
			w.must(cl.EndTransaction(w.Context(), end))
		}
		w.after(time.Second)
		w.committed(x, offsets(7, 8))
	})
}

func TestOffsetsOfAnotherGeneration(t *testing.T) {
	inWorld(t, func(w *world) {
		joinable := w.unjoinable()
		x := w.join("x", "id-x")
		cl := w.producer()
		w.begin(cl)
		step := x.Offsets(txn, offsets(1, 2))
		if err := step(w.Context(), cl); !errors.Is(err, ErrGeneration) {
			t.Errorf("before it has joined: %v", err)
		}
		w.must(cl.EndTransaction(w.Context(), kgo.TryAbort))
		joinable()
		w.after(5 * time.Second)

		// Each refusal that has to do with the membership; then the same set again.
		for _, refusal := range []*kerr.Error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedInstanceID, kerr.RebalanceInProgress} {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: refusal, Count: 1})
			w.begin(cl)
			if err := step(w.Context(), cl); !errors.Is(err, ErrGeneration) || !errors.Is(err, refusal) {
				t.Errorf("%v: %v", refusal, err)
			}
			w.must(cl.EndTransaction(w.Context(), kgo.TryAbort))
		}
		w.committed(x, nil)
		w.begin(cl)
		w.must(step(w.Context(), cl))
		w.must(cl.EndTransaction(w.Context(), kgo.TryCommit))
		w.after(time.Second)
		w.committed(x, offsets(1, 2))

		// In earnest: while x is without network, its session ends.
		y := w.join("y", "id-y")
		w.after(5 * time.Second)
		x.drop()
		x.unplug(true)
		w.after(2 * session)
		w.shared(y)
		w.begin(cl)
		topics, err := y.metadata(w.Context()) // x cannot ask
		w.must(err)
		w.must(x.announce(w.Context(), cl, txn))
		if err := x.commit(w.Context(), cl, txn, topics, offsets(3, 4)); !errors.Is(err, ErrGeneration) {
			t.Errorf("thrown out: %v", err)
		}
	})
}

func TestOffsetsWaitForCoordinators(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit} {
		for _, trouble := range []*kerr.Error{kerr.ConcurrentTransactions, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator} {
			t.Run(fmt.Sprint(key.Name(), trouble.Message), func(t *testing.T) {
				inWorld(t, func(w *world) {
					x := w.join("x", "id-x")
					w.after(5 * time.Second)
					cl := w.producer()
					w.begin(cl)
					// More often than the client tries by itself.
					w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: trouble, Count: 10})
					w.must(x.Offsets(txn, offsets(5, 6))(w.Context(), cl))
					w.must(cl.EndTransaction(w.Context(), kgo.TryCommit))
					w.after(time.Second)
					w.committed(x, offsets(5, 6))

					w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: trouble, Count: -1})
					w.begin(cl)
					if err := x.Offsets(txn, offsets(9, 9))(w.within(10*time.Second), cl); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("for ever: %v", err)
					}
				})
			})
		}
	}
}

func TestOtherRefusalsAreAsTheyAre(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.join("x", "id-x")
		w.after(5 * time.Second)
		cl := w.producer()
		w.begin(cl)
		other := w.producer() // fences the first
		if _, _, err := other.ProducerID(w.Context()); err != nil {
			t.Fatal(err)
		}
		if err := x.Offsets(txn, offsets(5, 6))(w.Context(), cl); err == nil || errors.Is(err, ErrGeneration) {
			t.Errorf("fenced: %v", err)
		}
		w.committed(x, nil)
	})
}
