package changelog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// controlRecord is what a local store that is the whole log has still to read: the
// record that ends the last transaction.
const controlRecord = 1

func TestReopen(t *testing.T) {
	f := setup(t)
	defer f.close()
	home, old := vfs.NewMem(), vfs.NewMem()

	r := f.start(t, home).expect(t, 0)
	if r.last != nil || r.Generation() != 1 {
		t.Fatalf("a new task has marker %v and generation %d", r.last, r.Generation())
	}
	r.must(t, r.put("a", "1", "b", "1", "c", "1").commit(1))
	r.must(t, r.put("a", "2", "b", "").commit(2))
	r.stop(t)

	r = f.start(t, home).expect(t, 2, "a", "2", "c", "1")
	if r.read > controlRecord {
		t.Errorf("restored %d offsets although the local store is the log", r.read)
	}
	if r.last.Generation != 1 || r.Generation() != 2 {
		t.Errorf("generation %d after %d", r.Generation(), r.last.Generation)
	}
	r.stop(t)

	// A fresh store restores everything.
	r = f.start(t, old).expect(t, 2, "a", "2", "c", "1")
	if r.read <= controlRecord || r.Generation() != 3 {
		t.Errorf("restored %d offsets, generation %d", r.read, r.Generation())
	}
	r.stop(t)

	// The first goes on, and the log is compacted; the second comes back later.
	r = f.start(t, home).expect(t, 2, "a", "2", "c", "1")
	r.must(t, r.put("c", "", "d", "1").commit(3))
	r.stop(t)
	f.cluster.Compact()
	r = f.start(t, old).expect(t, 3, "a", "2", "d", "1")
	r.stop(t)
	f.start(t, vfs.NewMem()).expect(t, 3, "a", "2", "d", "1").stop(t)
}

func (f *fixture) retainTombstones(t *testing.T, ms string) {
	t.Helper()
	r, err := f.admin.AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Name: configTombstones, Value: &ms}}, Topic(group))
	if err == nil {
		_, err = r.On(Topic(group), func(r *kadm.AlterConfigsResponse) error { return r.Err })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTaskReturnsAfterALongTimeToAnOldLocalStore: the deletion of a key can no
// longer be read, so the store that has it may not be taken up.
func TestTaskReturnsAfterALongTimeToAnOldLocalStore(t *testing.T) {
	f := setup(t)
	defer f.close()
	old, home := vfs.NewMem(), vfs.NewMem()
	r := f.start(t, old)
	r.must(t, r.put("gone", "1", "kept", "1").commit(1))
	r.stop(t)
	r = f.start(t, home)
	r.must(t, r.put("gone", "").commit(2))
	r.must(t, r.put("more", "1").commit(3))
	r.stop(t)
	f.retainTombstones(t, "0")
	f.cluster.Compact()
	f.retainTombstones(t, fmt.Sprint(tombstoneRetention.Milliseconds()))

	f.now = f.now.Add(tombstoneRetention/2 + time.Millisecond)
	f.start(t, old).expect(t, 3, "kept", "1", "more", "1").stop(t)
}

func TestAgeOfTheLocalStore(t *testing.T) {
	for away, taken := range map[time.Duration]bool{
		tombstoneRetention / 2:                  true,
		tombstoneRetention/2 + time.Millisecond: false,
		-clockSlack:                             true,
		-clockSlack - time.Millisecond:          false,
	} {
		f := setup(t)
		fs := vfs.NewMem()
		r := f.start(t, fs)
		r.must(t, r.put("a", "1").commit(1))
		r.stop(t)
		f.now = f.now.Add(away)
		r = f.start(t, fs).expect(t, 1, "a", "1")
		if got := r.read <= controlRecord; got != taken {
			t.Errorf("after %s the store is taken up: %v, want %v", away, got, taken)
		}
		r.stop(t)
		f.close()
	}
}

func TestLogThatDoesNotHoldTheOffset(t *testing.T) {
	f := setup(t)
	defer f.close()
	ctx := context.Background()
	old, home := vfs.NewMem(), vfs.NewMem()
	r := f.start(t, old)
	r.must(t, r.put("a", "1").commit(1))
	r.stop(t)
	r = f.start(t, home)
	r.must(t, r.put("b", "1").commit(2))
	r.stop(t)

	// The log's start has moved past what the store knows.
	offsets := kadm.Offsets{}
	offsets.AddOffset(Topic(group), 1, 7, -1) // begin 2, commit 3, begin 2
	if _, err := f.admin.DeleteRecords(ctx, offsets); err != nil {
		t.Fatal(err)
	}
	f.start(t, old).expect(t, 2, "b", "1").stop(t)

	// The topic is another one. The local store believes that it is the same.
	if _, err := f.admin.DeleteTopics(ctx, Topic(group)); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(ctx, f.client, group, 2); err != nil {
		t.Fatal(err)
	}
	local, err := state.OpenLocal(vfs.NewMem(), "task", "same", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	if err := local.Load([]state.Change{{Key: []byte("op\x00t\x00a"), Value: []byte("1")}}, copied{next: 100, at: f.now}.append(nil)); err != nil {
		t.Fatal(err)
	}
	l, last, err := Open(ctx, f.config(local))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	(&run{local: local, last: last}).expect(t, 0)
}

func TestTopicMadeAnewEmptiesTheLocalStore(t *testing.T) {
	f := setup(t)
	defer f.close()
	fs := vfs.NewMem()
	r := f.start(t, fs)
	r.must(t, r.put("a", "1").commit(1))
	r.stop(t)
	if _, err := f.admin.DeleteTopics(context.Background(), Topic(group)); err != nil {
		t.Fatal(err)
	}
	f.start(t, fs).expect(t, 0).stop(t)
}

func TestFencing(t *testing.T) {
	for name, between := range map[string]func(r *run) error{
		"idle":          func(*run) error { return nil },
		"open":          func(r *run) error { return r.stopAt(afterProduce) },
		"before commit": func(r *run) error { return r.stopAt(afterHook) },
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			defer f.close()
			zombie := f.start(t, vfs.NewMem())
			zombie.must(t, zombie.put("a", "1").commit(1))
			_ = between(zombie.put("a", "zombie"))

			heir := f.start(t, vfs.NewMem()).expect(t, 1, "a", "1")
			zombie.err = nil // even one that forgot that it is dead
			zombie.failpoint = func(step) error { return nil }
			if err := zombie.put("a", "zombie", "z", "new").commit(2); err == nil {
				t.Fatal("a zombie committed")
			} else if name == "idle" && !errors.Is(err, ErrFenced) {
				t.Fatalf("not fenced: %v", err)
			}
			if err := zombie.commit(3); err == nil {
				t.Fatal("a dead log committed")
			}
			zombie.stop(t)
			heir.must(t, heir.put("b", "1").commit(2))
			heir.stop(t)
			f.start(t, vfs.NewMem()).expect(t, 2, "a", "1", "b", "1").stop(t)
		})
	}
}

var errCrash = errors.New("crash")

// stopAt ends a commit at a step, as a crash would.
func (r *run) stopAt(at step) error {
	r.failpoint = func(s step) error {
		if s == at {
			return errCrash
		}
		return nil
	}
	return r.commit(r.nextSeq())
}

func (r *run) nextSeq() int64 {
	if r.last == nil {
		return 1
	}
	return r.last.Seq + 1
}

func TestCrashAtEachStep(t *testing.T) {
	for at, happened := range map[step]bool{afterProduce: false, afterHook: false, afterEnd: true} {
		t.Run(string(at), func(t *testing.T) {
			f := setup(t)
			defer f.close()
			fs := vfs.NewMem()
			r := f.start(t, fs)
			r.must(t, r.put("a", "1", "b", "1").commit(1))
			r.stop(t)
			r = f.start(t, fs)
			if err := r.put("a", "2", "b", "", "c", "2").stopAt(at); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			r.stop(t)
			seq, want := int64(1), []string{"a", "1", "b", "1"}
			if happened {
				seq, want = 2, []string{"a", "2", "c", "2"}
			}
			for _, fs := range []vfs.FS{fs, vfs.NewMem()} {
				f.start(t, fs).expect(t, seq, want...).stop(t)
			}
		})
	}
}

// TestUnknownOutcome: the answer to the end of the transaction is lost, before or
// after it took effect. The next run finds one of the two whole states.
func TestUnknownOutcome(t *testing.T) {
	for name, reaches := range map[string]bool{"request lost": false, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			defer f.close()
			fs := vfs.NewMem()
			r := f.start(t, fs)
			r.must(t, r.put("a", "1", "b", "1").commit(1))
			f.cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
				f.cut.Store(true)
				f.cluster.DropControl()
				return nil, errCut, !reaches
			})
			err := r.put("a", "2", "b", "", "c", "2").commit(2)
			if err == nil || errors.Is(err, ErrAborted) {
				t.Fatalf("commit: %v", err)
			}
			r.stop(t)
			seq, want := int64(1), []string{"a", "1", "b", "1"}
			if reaches {
				seq, want = 2, []string{"a", "2", "c", "2"}
			}
			for _, fs := range []vfs.FS{fs, vfs.NewMem()} {
				f.start(t, fs).expect(t, seq, want...).stop(t)
			}
		})
	}
}

// TestHangingTransactionIsOverruled: a broker that has lost sight of a transaction never
// settles it. Opening aborts one of its own, which ends the other, and succeeds then.
func TestHangingTransactionIsOverruled(t *testing.T) {
	f := setup(t)
	defer f.close()
	fs := vfs.NewMem()
	r := f.start(t, fs)
	r.must(t, r.put("a", "1").commit(1))
	r.stop(t)
	var overruled atomic.Bool
	var passed atomic.Int64
	f.cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.cluster.KeepControl()
		if !req.(*kmsg.EndTxnRequest).Commit {
			overruled.Store(true)
		}
		return nil, nil, false
	})
	f.cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.cluster.KeepControl()
		asked := req.(*kmsg.ListOffsetsRequest)
		if asked.IsolationLevel == 0 || overruled.Load() {
			return nil, nil, false
		}
		passed.Add(int64(settleTime)) // until the next question
		answer := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range asked.Topics {
			st := kmsg.NewListOffsetsResponseTopic()
			st.Topic = topic.Topic
			for _, p := range topic.Partitions {
				sp := kmsg.NewListOffsetsResponseTopicPartition()
				sp.Partition, sp.Offset = p.Partition, 0
				st.Partitions = append(st.Partitions, sp)
			}
			answer.Topics = append(answer.Topics, st)
		}
		return answer, nil, true
	})
	local := f.openLocal(t, fs)
	cfg := f.config(local)
	now := cfg.Now()
	cfg.Now = func() time.Time { return now.Add(time.Duration(passed.Load())) }
	if _, _, err := Open(context.Background(), cfg); !errors.Is(err, errHanging) || !overruled.Load() {
		t.Fatalf("open: %v, overruled: %v", err, overruled.Load())
	}
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
	f.start(t, fs).expect(t, 1, "a", "1").stop(t)
}

// confirmOnly is a broker that confirms and does nothing.
func confirmOnly(req kmsg.Request) (kmsg.Response, error, bool) { return req.ResponseKind(), nil, true }

// TestCommitTakenBack: the broker confirms a commit, and aborts it all the same. A local
// store that has it is emptied wherever the task opens next, be it a while later.
func TestCommitTakenBack(t *testing.T) {
	f := setup(t)
	defer f.close()
	fs := vfs.NewMem()
	r := f.start(t, fs)
	r.must(t, r.put("a", "1").commit(1))
	f.cluster.ControlKey(int16(kmsg.EndTxn), confirmOnly)
	r.must(t, r.put("a", "2", "b", "2").commit(2))
	r.stop(t)
	r = f.start(t, vfs.NewMem()) // on another machine
	r.expect(t, 1, "a", "1")
	r.must(t, r.put("c", "3").commit(2))
	r.stop(t)
	r = f.start(t, fs)
	r.expect(t, 2, "a", "1", "c", "3")
	r.must(t, r.put("d", "4").commit(3))
	r.stop(t)
	if r = f.start(t, fs); r.read > 2 {
		t.Errorf("%d offsets read although the local store is true", r.read)
	}
	r.expect(t, 3, "a", "1", "c", "3", "d", "4").stop(t)
}

// TestForgottenCommitIsNotAborted: the broker confirms a commit and forgets to carry it
// out, and the next one is to be taken back. That would take the first one back as well,
// on which the task has built: so the log is dead, and the next opening tells what is.
func TestForgottenCommitIsNotAborted(t *testing.T) {
	f := setup(t)
	defer f.close()
	fs := vfs.NewMem()
	r := f.start(t, fs)
	r.must(t, r.put("a", "1").commit(1))
	f.cluster.ControlKey(int16(kmsg.EndTxn), confirmOnly)
	r.must(t, r.put("b", "2").commit(2))
	illegal := func(context.Context, *kgo.Client) error { return kerr.IllegalGeneration }
	if err := r.put("c", "3").commitWith(3, illegal); !errors.Is(err, errForgotten) || errors.Is(err, ErrAborted) {
		t.Fatalf("commit: %v", err)
	}
	if err := r.commit(4); !errors.Is(err, errForgotten) {
		t.Fatalf("commit on a dead log: %v", err)
	}
	r.stop(t)
	f.start(t, fs).expect(t, 1, "a", "1").stop(t)
}

// TestBeginTakenBack: the broker confirms the commits that begin generations, and aborts
// them all the same. Rows of these generations may be anywhere, so nobody gets their
// numbers again, neither where the local store has such a begin nor elsewhere, nor where
// an opening that has read of them comes to no end.
func TestBeginTakenBack(t *testing.T) {
	f := setup(t)
	defer f.close()
	fs := vfs.NewMem()
	newest := int64(0)
	start := func(fs vfs.FS) *run {
		t.Helper()
		r := f.start(t, fs)
		if r.Generation() <= newest {
			t.Fatalf("generation %d after %d", r.Generation(), newest)
		}
		newest = r.Generation()
		return r
	}
	takenBack := func(fs vfs.FS) {
		t.Helper()
		f.cluster.ControlKey(int16(kmsg.EndTxn), confirmOnly)
		start(fs).stop(t)
	}
	cutShort := func(fs vfs.FS) {
		t.Helper()
		local := f.openLocal(t, fs)
		cfg := f.config(local)
		cfg.Begin = func(context.Context, *kgo.Client, *Marker) error { return errCrash }
		if _, _, err := Open(context.Background(), cfg); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
	}
	takenBack(fs) // the very first one
	takenBack(vfs.NewMem())
	takenBack(fs)
	r := start(fs)
	r.must(t, r.put("a", "1").commit(1))
	r.stop(t)
	takenBack(fs)
	cutShort(fs)
	cutShort(fs)
	takenBack(fs)
	start(vfs.NewMem()).expect(t, 1, "a", "1").stop(t)
	start(fs).expect(t, 1, "a", "1").stop(t)
}

// TestHook: a generation error that the task survives takes the commit back, and
// the same set is committed again.
func TestHook(t *testing.T) {
	f := setup(t)
	defer f.close()
	fs := vfs.NewMem()
	r := f.start(t, fs)
	r.put("a", "1")
	changes := r.local.Changes()
	ctx := context.Background()
	err := r.Commit(ctx, changes, marker(1), func(context.Context, *kgo.Client) error { return kerr.IllegalGeneration })
	if !errors.Is(err, ErrAborted) || !errors.Is(err, kerr.IllegalGeneration) {
		t.Fatalf("commit: %v", err)
	}
	r.expect(t, 0)
	called := false
	r.must(t, r.Commit(ctx, changes, marker(1), func(_ context.Context, cl *kgo.Client) error {
		called = cl == r.producer
		return nil
	}))
	if !called {
		t.Error("the hook was not called with the log's client")
	}
	err = r.put("a", "2").commitWith(2, func(context.Context, *kgo.Client) error { return kerr.InvalidProducerEpoch })
	if !errors.Is(err, ErrFenced) {
		t.Fatalf("commit: %v", err)
	}
	r.stop(t)
	f.start(t, fs).expect(t, 1, "a", "1").stop(t)
}

func TestBeginHook(t *testing.T) {
	f := setup(t)
	defer f.close()
	local := f.openLocal(t, vfs.NewMem())
	defer local.Close()
	cfg := f.config(local)
	cfg.Begin = func(context.Context, *kgo.Client, *Marker) error { return kerr.IllegalGeneration }
	if _, _, err := Open(context.Background(), cfg); !errors.Is(err, ErrAborted) {
		t.Fatalf("open: %v", err)
	}
	cfg.Begin = func(_ context.Context, _ *kgo.Client, last *Marker) error {
		if last != nil {
			t.Errorf("begun although aborted: %+v", last)
		}
		return nil
	}
	l, _, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// TestZombieInItsHook: what a hook sees after a successor has begun is no verdict. The
// commit fails because it was fenced, and not with the hook's error.
func TestZombieInItsHook(t *testing.T) {
	f := setup(t)
	defer f.close()
	strange := errors.New("the offsets are another's")
	local := f.openLocal(t, vfs.NewMem())
	defer local.Close()
	cfg := f.config(local)
	cfg.Begin = func(context.Context, *kgo.Client, *Marker) error {
		f.start(t, vfs.NewMem()).stop(t) // on another machine
		return strange
	}
	if _, _, err := Open(context.Background(), cfg); !errors.Is(err, ErrFenced) || errors.Is(err, strange) {
		t.Fatalf("open: %v", err)
	}
}

// TestInterruptedRestore goes on where it stopped.
func TestInterruptedRestore(t *testing.T) {
	f := setup(t)
	defer f.close()
	r := f.start(t, vfs.NewMem())
	want := map[string]string{}
	value := strings.Repeat("v", 800)
	for i := range 6000 { // more than is loaded at once
		k := fmt.Sprint("k", i)
		want[k] = value
		r.put(k, value)
	}
	r.must(t, r.commit(1)) // far more than the client buffers
	r.stop(t)

	fs := vfs.NewMem()
	local := f.openLocal(t, fs)
	ctx, cancel := context.WithCancel(context.Background())
	cfg := f.config(local)
	done := int64(0)
	cfg.Progress = func(read, total int64) {
		if done = read; read == total {
			t.Error("restored in one go")
		}
		cancel()
	}
	if _, _, err := Open(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
	r = f.start(t, fs)
	r.expectMap(t, 1, want)
	if r.read == 0 || r.read+done > 6010 {
		t.Errorf("restored %d, then %d offsets", done, r.read)
	}
	r.stop(t)
}

func TestTooLarge(t *testing.T) {
	f := setup(t)
	defer f.close()
	fs := vfs.NewMem()
	r := f.start(t, fs)
	r.must(t, r.put("fits", strings.Repeat("x", 1<<20-200)).commit(1))
	err := r.put("k", strings.Repeat("x", 2<<20)).commit(2)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), `operator op, table t, key "k" has 2.0 MiB, the topic's max.message.bytes is 1.0 MiB`) {
		t.Fatalf("commit: %v", err)
	}
	r.stop(t)
	r = f.start(t, fs)
	if _, ok := r.table.Get("k"); ok || r.last.Seq != 1 {
		t.Errorf("the refused commit is visible")
	}
	r.stop(t)
}

func TestEnsure(t *testing.T) {
	f := setup(t)
	defer f.close()
	ctx := context.Background()
	one, err := Ensure(ctx, f.client, group, 2)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Ensure(ctx, f.client, group, 2)
	if err != nil || again != one {
		t.Errorf("identity %q, then %q, %v", one, again, err)
	}
	other, err := Ensure(ctx, f.client, "other", 2)
	if err != nil || other == one {
		t.Errorf("identity %q of two topics, %v", one, err)
	}
	s, err := describe(ctx, f.admin, Topic(group))
	if err != nil || s.policy != compact || s.tombstones != tombstoneRetention || s.maxMessage == 0 {
		t.Errorf("settings %+v, %v", s, err)
	}
	if _, err := Ensure(ctx, f.client, group, 3); err == nil || !strings.Contains(err.Error(), "`tidemark topics repartition`") {
		t.Errorf("other count: %v", err)
	}
	for i, policy := range []string{"delete", "compact,delete"} {
		odd := fmt.Sprint("odd", i)
		if err := f.cluster.CreateTopic(Topic(odd), 2, map[string]string{configPolicy: policy}); err != nil {
			t.Fatal(err)
		}
		if _, err := Ensure(ctx, f.client, odd, 2); err == nil || !strings.Contains(err.Error(), "cleanup.policy="+policy) {
			t.Errorf("policy %s: %v", policy, err)
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Ensure(canceled, f.client, "none", 2); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
