package host

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// metered is a rig whose runner leaves its figures with a stream.
func metered(t *testing.T, opts Options) (*rig, *meter.Stream) {
	g := newRig(t, opts)
	s := meter.NewRegistry().Stream("s")
	here := s.Begin(3)
	here.Run(7, nil, meter.Live{})
	g.run.Meter(s, here, nil)
	return g, s
}

func gaugesOf(t *testing.T, s *meter.Stream) (a, b meter.Source, g meter.Gauges) {
	t.Helper()
	f := s.Read()
	if len(f.Tasks) != 1 || len(f.Tasks[0].Sources) != 2 {
		t.Fatalf("tasks %+v", f.Tasks)
	}
	g = f.Tasks[0]
	return g.Sources[0], g.Sources[1], g
}

// TestWhoHoldsTheWatermark: one partition stalls. The merge waits for it until its end is
// confirmed, and then its event time holds the watermark.
func TestWhoHoldsTheWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := metered(t, rigOptions)
		g.collect()
		g.start()
		g.deliver(0, g.rows(0, 5000, 1), false)
		g.deliver(1, g.rows(1, 5500, 1), false)
		g.deliver(0, g.rows(0, 9000, 4), true)
		time.Sleep(time.Second)
		a, b, all := gaugesOf(t, s)
		if !b.Waited || b.Idle || a.Waited || a.Waiting != 4 {
			t.Errorf("the merge waits for B: %+v, %+v", a, b)
		}
		if !all.HasWatermark || all.Watermark != 4000 || !a.Holder || b.Holder {
			t.Errorf("A has come least far: %+v", all)
		}
		g.run.ConfirmEnd(1)
		time.Sleep(time.Second)
		a, b, all = gaugesOf(t, s)
		if all.Watermark != 4500 || a.Holder || !b.Holder || b.Waited || a.Waiting != 0 || a.Seen != 9003 || a.Next != 6 {
			t.Errorf("B holds the watermark: %+v", all)
		}
		for range 130 { // until B is idle, as A goes on
			g.deliver(0, g.rows(0, 10_000, 1), true)
			g.run.ConfirmEnd(1)
			time.Sleep(time.Second)
		}
		a, b, all = gaugesOf(t, s)
		if all.Watermark != 9000 || !a.Holder || b.Holder || !b.Idle {
			t.Errorf("B is idle: %+v", all)
		}
		g.end(context.Canceled)
	})
}

// TestLatency: a row is as old as the first record that it may tell of, however the row
// and its acknowledgement are put off.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := rigOptions
		opts.CommitInterval = time.Hour
		g, s := metered(t, opts)
		g.start()
		g.run.ConfirmEnd(1)
		g.deliver(0, g.rows(0, 5000, 1), true)
		time.Sleep(300 * time.Millisecond)
		b := g.take()
		time.Sleep(700 * time.Millisecond)
		b.Done(nil) // a second after the record came
		want := func(rows uint64, sum time.Duration) {
			t.Helper()
			if d := s.Read().Latency; d.Count != rows || d.Sum != sum {
				t.Errorf("%d rows in %v, want %d in %v", d.Count, d.Sum, rows, sum)
			}
		}
		want(1, time.Second)

		// A new record makes a row of its own age, not of that of the first.
		g.deliver(0, g.rows(0, 6000, 1), true)
		b = g.take()
		time.Sleep(200 * time.Millisecond)
		b.Done(nil)
		want(2, 1200*time.Millisecond)

		// Records of A wait for the merge: their row is as old as they are.
		time.Sleep(time.Minute)
		g.deliver(1, g.rows(1, 6500, 1), false)
		g.take().Done(nil)
		want(3, 1200*time.Millisecond)
		g.deliver(0, g.rows(0, 7000, 1), true)
		time.Sleep(5 * time.Second)
		g.deliver(1, g.rows(1, 7100, 1), true)
		g.take().Done(nil)
		want(4, 6200*time.Millisecond)
		g.end(context.Canceled)
	})
}

// TestCommitFigures: commits are timed where there is something to commit, and those that
// fail count as failures; to be asked to stop is none. Accounts are those that are committed.
func TestCommitFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := metered(t, rigOptions)
		g.confirming = []int{0, 1}
		g.commit = func() error { time.Sleep(40 * time.Millisecond); return nil }
		g.collect()
		g.start()
		g.deliver(0, g.rows(0, 5000, 3), true)
		time.Sleep(500 * time.Millisecond)
		at := meter.Operator{Task: 3, Operator: "count", Topic: "a"}
		if n := s.Read().Accounts[at][task.In]; n != 0 {
			t.Errorf("%d events counted before the commit", n)
		}
		time.Sleep(10 * time.Second)
		f := s.Read()
		if n := f.Accounts[at]; n[task.In] != 3 || n[task.Passed] != 3 {
			t.Errorf("the account is %v", n)
		}
		if d := f.Commits[meter.PhaseState]; d.Count != 1 || d.Sum != 40*time.Millisecond {
			t.Errorf("%d commits in %v", d.Count, d.Sum)
		}
		boom := errors.New("boom")
		synctest.Wait()
		g.commit = func() error { return boom }
		g.deliver(0, g.rows(0, 6000, 3), true)
		if err := <-g.result; !errors.Is(err, boom) {
			t.Fatal(err)
		}
		f = s.Read()
		if f.CommitFailures != 1 || f.Accounts[at][task.In] != 3 {
			t.Errorf("%d failures, account %v", f.CommitFailures, f.Accounts[at])
		}
		g.stop()

		g, s = metered(t, rigOptions)
		g.start()
		g.collect()
		g.deliver(0, g.rows(0, 6000, 3), true)
		time.Sleep(3 * time.Second)
		g.stop()
		if err := <-g.result; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if n := s.Read().CommitFailures; n != 0 {
			t.Errorf("a stop counts as %d failures", n)
		}
	})
}
