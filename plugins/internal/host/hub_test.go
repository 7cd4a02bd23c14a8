package host

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

func run(taskNumber int32, generation int64) TaskRun {
	return TaskRun{Stream: "s", Task: taskNumber, Generation: generation, CommittedSeq: 10 * generation}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newNotes() *notes { return &notes{begun: time.Now()} }

// hubTest runs in faked time, so that notes begin with a time that is known.
func hubTest(t *testing.T, test func(t *testing.T, h *Hub, n *notes)) {
	synctest.Test(t, func(t *testing.T) { test(t, newHub(service.MockResources()), newNotes()) })
}

// TestAttachAfterBegin: a ledger that comes late hears of every task that runs, and
// how far it has come, before it is told anything new.
func TestAttachAfterBegin(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		ctx := t.Context()
		early, late := &told{notes: n}, &told{notes: newNotes()}
		must(t, h.Attach(ctx, early))
		must(t, h.Begin(ctx, run(0, 1)))
		must(t, h.Advance(ctx, run(0, 1), 12, 5000))
		must(t, h.Begin(ctx, run(1, 1)))
		h.End(run(1, 1))
		n.want(t, "0s begin 0 generation 1 seq 10", "0s advance 0 seq 12 to 5000", "0s begin 1 generation 1 seq 10")
		must(t, h.Attach(ctx, late))
		late.notes.want(t, "0s begin 0 generation 1 seq 10", "0s advance 0 seq 12 to 5000")
		must(t, h.Advance(ctx, run(0, 1), 13, event.MaxTime))
		late.notes.want(t, "0s advance 0 seq 13 to +inf")
		n.want(t, "0s advance 0 seq 13 to +inf")

		h.Detach(early)
		must(t, h.Begin(ctx, run(2, 1)))
		n.want(t)
		late.notes.want(t, "0s begin 2 generation 1 seq 10")
	})
}

// TestAttachBeforeARecord: a task without a record has the watermark MinTime.
func TestAttachBeforeARecord(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		must(t, h.Begin(t.Context(), run(0, 1)))
		must(t, h.Attach(t.Context(), &told{notes: n}))
		n.want(t, "0s begin 0 generation 1 seq 10", "0s advance 0 seq 10 to -inf")
	})
}

// TestAttachFails: a ledger that could not begin is not attached, and tries again.
func TestAttachFails(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		broken := errors.New("away")
		l := &told{notes: n, begin: func() error { return broken }}
		must(t, h.Begin(t.Context(), run(0, 1)))
		if err := h.Attach(t.Context(), l); !errors.Is(err, broken) {
			t.Error(err)
		}
		n.take()
		must(t, h.Begin(t.Context(), run(1, 1)))
		n.want(t)
		l.begin = nil
		must(t, h.Attach(t.Context(), l))
		if got := n.take(); len(got) != 4 {
			t.Error(got)
		}
		must(t, h.Attach(t.Context(), l)) // once more is harmless
		n.take()
		must(t, h.Begin(t.Context(), run(2, 1)))
		n.want(t, "0s begin 2 generation 1 seq 10")
	})
}

// TestOverlappingRuns: during a reload the old instance of a task may live on for a
// while. What it does then leaves no trace on the new one.
func TestOverlappingRuns(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		ctx := t.Context()
		old, young := run(0, 1), run(0, 2)
		must(t, h.Begin(ctx, old))
		must(t, h.Begin(ctx, young))
		must(t, h.Advance(ctx, young, 25, 7000))
		if err := h.Advance(ctx, old, 11, 5000); !errors.Is(err, ErrFenced) {
			t.Errorf("an old run advances: %v", err)
		}
		h.End(old)
		if err := h.Begin(ctx, old); !errors.Is(err, ErrFenced) {
			t.Errorf("an old run begins: %v", err)
		}
		must(t, h.Attach(ctx, &told{notes: n}))
		n.want(t, "0s begin 0 generation 2 seq 20", "0s advance 0 seq 25 to 7000")
		h.End(young)
		must(t, h.Attach(ctx, &told{notes: n}))
		n.want(t)
	})
}

// TestBeginFailsInOneLedger: a run that a ledger refuses has not begun.
func TestBeginFailsInOneLedger(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		fenced := fmt.Errorf("table x: %w", ErrFenced)
		must(t, h.Attach(t.Context(), &told{notes: n, begin: func() error { return fenced }}))
		if err := h.Begin(t.Context(), run(0, 1)); !errors.Is(err, ErrFenced) {
			t.Error(err)
		}
		must(t, h.Attach(t.Context(), &told{notes: n}))
		n.want(t, "0s begin 0 generation 1 seq 10")
	})
}

// TestDetachMeanwhile: a ledger whose output closes while it is told does no harm,
// as when the old outputs of a stream close while the new input begins.
func TestDetachMeanwhile(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		l := &told{notes: n}
		must(t, h.Attach(t.Context(), l))
		l.begin = func() error {
			h.Detach(l)
			return errors.New("closed")
		}
		must(t, h.Begin(t.Context(), run(0, 1)))
		must(t, h.Attach(t.Context(), &told{notes: newNotes()}))
		if len(h.runs) != 1 {
			t.Errorf("%v", h.runs)
		}
	})
}

// blocked is a ledger that waits in Begin for as long as it may.
type blocked struct{ told }

func (l *blocked) Begin(ctx context.Context, run TaskRun) error {
	l.notes.add("waits")
	<-ctx.Done()
	return ctx.Err()
}

// TestNobodyWaitsForALedger: a task ends when it is told to, although a ledger is
// waiting for its database.
func TestNobodyWaitsForALedger(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		must(t, h.Begin(ctx, run(0, 1)))
		attached := make(chan error)
		go func() { attached <- h.Attach(ctx, &blocked{told{notes: n}}) }()
		synctest.Wait()
		n.want(t, "0s waits")

		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := h.Begin(short, run(1, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := h.Advance(short, run(0, 1), 11, 5000); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		h.End(run(0, 1))
		h.Detach(&told{})
		stop()
		if err := <-attached; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// failing is a ledger that stops the stream from within.
type failing struct {
	told
	hub *Hub
	err error
}

func (l *failing) Begin(context.Context, TaskRun) error {
	l.hub.Fail(l.err)
	return l.err
}

func (l *failing) Advance(context.Context, TaskRun, int64, event.Time) error {
	l.hub.Fail(l.err)
	return l.err
}

func TestFailFromALedger(t *testing.T) {
	hubTest(t, func(t *testing.T, h *Hub, n *notes) {
		broken := errors.New("no such database")
		must(t, h.Begin(t.Context(), run(0, 1)))
		l := &failing{told{notes: n}, h, broken}
		if err := h.Attach(t.Context(), l); !errors.Is(err, broken) {
			t.Error(err)
		}
		h.ledgers[l] = struct{}{} // as if it had been all right at first
		if err := h.Begin(t.Context(), run(1, 1)); !errors.Is(err, broken) {
			t.Error(err)
		}
		if err := h.Advance(t.Context(), run(0, 1), 1, 1); !errors.Is(err, broken) {
			t.Error(err)
		}
		if !errors.Is(h.Err(), broken) {
			t.Error(h.Err())
		}
	})
}

func TestFailAndOpen(t *testing.T) {
	res := service.MockResources()
	h, m := HubOf(res), MonitorOf(res)
	if HubOf(res) != h || MonitorOf(res) != m {
		t.Fatal("a stream has one hub, a process one monitor")
	}
	changed := m.Changed()
	select {
	case <-h.Failed():
		t.Fatal("failed before it began")
	case <-changed:
		t.Fatal("changed before it began")
	default:
	}
	first, second := errors.New("first"), errors.New("second")
	failed := h.Failed()
	h.Fail(first)
	h.Fail(second)
	<-failed
	<-h.Failed()
	<-changed
	if !errors.Is(h.Err(), first) {
		t.Errorf("%v, but the first error stands", h.Err())
	}
	failures, finished := m.State()
	if len(failures) != 1 || !errors.Is(failures[0].Err, first) || len(finished) != 0 {
		t.Errorf("%v %v", failures, finished)
	}

	h.Open()
	select {
	case <-h.Failed():
		t.Error("a failure outlives the stream's next start")
	default:
	}
	if h.Err() != nil {
		t.Error(h.Err())
	}
	changed = m.Changed()
	h.Fail(second)
	<-changed
	<-h.Failed()
	if !errors.Is(h.Err(), second) {
		t.Error(h.Err())
	}
}

func TestFinishTellsTheMonitor(t *testing.T) {
	res := service.MockResources()
	h, m := HubOf(res), MonitorOf(res)
	changed := m.Changed()
	h.Finish(Summary{Stream: "group"})
	<-changed
	if _, finished := m.State(); len(finished) != 1 || finished[res.StreamID()].Stream != "group" {
		t.Error(finished)
	}
}
