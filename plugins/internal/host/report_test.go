package host

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/figures"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// board is a reporter that keeps what it is told.
type board struct {
	told
	place string
	// answer is asked before a report is taken; nil takes everything.
	answer func(context.Context) error

	mu      sync.Mutex
	began   []time.Time // of reports that were tried
	reports []figures.Task
}

func (b *board) Place() string { return b.place }

func (b *board) Report(ctx context.Context, run TaskRun, text []byte) error {
	b.mu.Lock()
	b.began = append(b.began, time.Now())
	b.mu.Unlock()
	if b.answer != nil {
		if err := b.answer(ctx); err != nil {
			return err
		}
	}
	var f figures.Task
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reports = append(b.reports, f)
	return nil
}

// take are the reports since it was last asked.
func (b *board) take() []figures.Task {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.reports
	b.reports = nil
	return all
}

func (b *board) tries() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.began)
}

// boarded is a rig of a task that tells its figures.
func boarded(t *testing.T, opts Options) (*rig, *board) {
	g, _ := metered(t, opts)
	b := &board{told: told{notes: newNotes()}, place: "here"}
	must(t, g.hub.Attach(t.Context(), b))
	return g, b
}

// TestFiguresFollowCommits: the first commit of a run tells how the task stands, then each
// that commits something, and no other.
func TestFiguresFollowCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := boarded(t, rigOptions)
		g.confirming = []int{0, 1}
		g.commit = func() error { time.Sleep(40 * time.Millisecond); return nil }
		g.collect()
		g.start()
		time.Sleep(10 * time.Second)
		got := b.take()
		if len(got) != 1 || got[0].Commit != nil || len(got[0].Sources) != 2 {
			t.Fatalf("a run that has committed nothing tells %+v", got)
		}
		g.deliver(0, g.rows(0, 5000, 3), true)
		g.deliver(1, g.rows(1, 9000, 2), true)
		time.Sleep(10 * time.Second)
		got = b.take()
		if len(got) != 1 {
			t.Fatalf("%d reports of one commit", len(got))
		}
		f := got[0]
		if c := f.Commit; c == nil || c.Seconds < 0.04 || c.Seconds > 0.05 || c.Phases["state"] != 0.04 || len(c.Phases) != 3 || c.At.After(time.Now()) {
			t.Errorf("commit %+v", c)
		}
		if f.Holder == nil || *f.Holder != (figures.Partition{Topic: "a", Partition: 3}) {
			t.Errorf("holder %+v", f.Holder)
		}
		if s := f.Sources[0]; s.Topic != "a" || s.Partition != 3 || s.Next != 3 || s.Seen.UnixMilli() != 5002 {
			t.Errorf("source %+v", s)
		}
		want := []figures.Line{{Operator: "input", Topic: "a", In: 3, Passed: 3}, {Operator: "input", Topic: "b", In: 2, Passed: 2},
			{Operator: "count", Topic: "a", In: 3, Passed: 3}, {Operator: "count", Topic: "b", In: 2, Passed: 2}}
		if !slices.Equal(f.Account, want) {
			t.Errorf("account %+v, want %+v", f.Account, want)
		}
		g.end(context.Canceled)
		if got := b.take(); len(got) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestFiguresOnceASecond: commits may come more often, and the last of them is told.
func TestFiguresOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := rigOptions
		opts.CommitInterval = 20 * time.Millisecond
		g, b := boarded(t, opts)
		g.run.ConfirmEnd(1)
		g.collect()
		g.start()
		const seconds = 5
		for i := range seconds * 10 {
			time.Sleep(100 * time.Millisecond)
			g.deliver(0, g.rows(0, event.Time(5000+i), 1), true)
		}
		time.Sleep(2 * time.Second)
		got := b.take()
		if n := len(got); n < seconds || n > seconds+2 || got[n-1].Account[0].In != seconds*10 {
			t.Errorf("%d reports in %d seconds, the last %+v", n, seconds, got[n-1].Account)
		}
		for i, at := range b.tries()[1:] {
			if d := at.Sub(b.tries()[i]); d < time.Second {
				t.Errorf("two reports within %v", d)
			}
		}
		g.end(context.Canceled)
	})
}

// commitsOf counts the commits of a rig that gets so many records, each in its own.
func commitsOf(g *rig, records int) (commits int) {
	g.notes.take()
	for i := range records {
		g.deliver(0, g.rows(0, event.Time(5000+i), 1), true)
		time.Sleep(2300 * time.Millisecond)
	}
	for _, line := range g.notes.take() {
		if strings.Contains(line, "commit seq") {
			commits++
		}
	}
	return commits
}

// TestFiguresHoldNothingUp: while nobody takes figures the task commits as ever. What was not
// taken is told when it can be, the newest only, and a run that ends waits for a second.
func TestFiguresHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records = 13 // half a minute
		g, b := boarded(t, rigOptions)
		var hanging atomic.Bool
		hanging.Store(true)
		b.answer = func(ctx context.Context) error {
			if hanging.Load() {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		g.run.ConfirmEnd(1)
		g.collect()
		g.start()
		if n := commitsOf(g, records); n != records {
			t.Errorf("%d commits of %d records", n, records)
		}
		if n := len(b.tries()); n > 4 { // 5 s each, and as much between
			t.Errorf("%d reports were tried", n)
		}
		hanging.Store(false)
		time.Sleep(10 * time.Second)
		if got := b.take(); len(got) != 1 || got[0].Account[0].In != records {
			t.Errorf("when they are taken again: %+v", got)
		}
		hanging.Store(true)
		g.deliver(0, g.rows(0, 6000, 1), true)
		time.Sleep(1500 * time.Millisecond)
		asked := time.Now()
		close(g.finish)
		if err := <-g.result; err != nil {
			t.Fatal(err)
		}
		if d := time.Since(asked); d > 1500*time.Millisecond {
			t.Errorf("the run ends %v after it was asked to", d)
		}
	})
}

// TestFiguresOfTheEnd: what a bounded run has come to is told, with what was held until its end.
func TestFiguresOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := boarded(t, rigOptions)
		g.collect()
		g.start()
		g.deliver(0, g.rows(0, 5000, 3), false)
		g.run.Finish(0, 3)
		g.run.Finish(1, 0)
		if err := <-g.result; err != nil {
			t.Fatal(err)
		}
		got := b.take()
		if n := len(got); n == 0 || got[n-1].Account[0].In != 3 || got[n-1].Holder != nil {
			t.Errorf("%+v", got)
		}
	})
}

// TestOneReporterOfAPlace: outputs that share a database are not told twice, and those that
// go nowhere not at all; ledgers that take no figures do not matter.
func TestOneReporterOfAPlace(t *testing.T) {
	h := newHub(service.MockResources())
	all := []*board{{place: "x"}, {place: "x"}, {place: "y"}, {place: ""}}
	if h.Report(t.Context(), run(0, 1), []byte("{}")) {
		t.Error("nobody has stored it")
	}
	must(t, h.Attach(t.Context(), &told{notes: newNotes()}))
	for _, b := range all {
		must(t, h.Attach(t.Context(), b))
	}
	if !h.Report(t.Context(), run(0, 1), []byte("{}")) {
		t.Error("not stored")
	}
	n := make([]int, len(all))
	for i, b := range all {
		n[i] = len(b.take())
	}
	if n[0]+n[1] != 1 || n[2] != 1 || n[3] != 0 {
		t.Errorf("told %v", n)
	}
	all[2].answer = func(context.Context) error { return errors.New("away") }
	if h.Report(t.Context(), run(0, 1), []byte("{}")) {
		t.Error("y has not stored it")
	}
}
