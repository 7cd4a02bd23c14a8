package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// counter is an operator that passes events on when echo is set, and emits how many
// it has seen when it is flushed after a change.
type counter struct {
	schema *event.Schema
	echo   bool
	last   bool // emits once more at the end of time
	n      int64
	dirty  bool
	// flushing is called when the task is about to emit what has changed; may be nil.
	flushing func()
}

func (c *counter) Bind(in task.Shape) (task.Shape, error) { return in, nil }
func (c *counter) Restore() error                         { return nil }
func (c *counter) Advance(event.Time, *task.Output)       {}

func (c *counter) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		if c.echo {
			out.Pass(&rows[i])
		} else {
			out.Count(&rows[i], task.Passed)
		}
	}
	c.n, c.dirty = c.n+int64(len(rows)), true
}

func (c *counter) Flush(w event.Time, out *task.Output) bool {
	if c.flushing != nil {
		c.flushing()
	}
	if c.dirty || c.last && w == event.MaxTime {
		out.Emit(event.Row{Time: w, Schema: c.schema, Values: []event.Value{event.IntOf(c.n)}})
		c.dirty = false
	}
	return false
}

// notes records what happened and when, since the beginning of the test.
type notes struct {
	mu    sync.Mutex
	begun time.Time
	lines []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf("%v ", time.Since(n.begun))+fmt.Sprintf(format, args...))
}

func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := n.lines
	n.lines = nil
	return lines
}

func (n *notes) want(t *testing.T, want ...string) {
	t.Helper()
	if got := n.take(); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// told is a ledger that writes down what it is told.
type told struct {
	notes *notes
	begin func() error
	// beginning and advance are asked last; nil for one that takes everything.
	beginning func(context.Context) error
	advance   func(context.Context, event.Time) error
}

func (l *told) Begin(ctx context.Context, run TaskRun) error {
	l.notes.add("begin %d generation %d seq %d", run.Task, run.Generation, run.CommittedSeq)
	if l.begin != nil {
		return l.begin()
	}
	if l.beginning != nil {
		return l.beginning(ctx)
	}
	return nil
}

func (l *told) Advance(ctx context.Context, run TaskRun, seq int64, w event.Time) error {
	text := fmt.Sprint(int64(w))
	if w == event.MinTime || w == event.MaxTime {
		text = w.String()
	}
	l.notes.add("advance %d seq %d to %s", run.Task, seq, text)
	if l.advance != nil {
		return l.advance(ctx, w)
	}
	return nil
}

// rig is a runner of a task with two partitions, A and B, with everything around it faked.
type rig struct {
	t       *testing.T
	notes   *notes
	hub     *Hub
	ledger  *told
	op      *counter
	out     chan Batch
	run     *Runner
	sources []*task.Source
	offset  int64
	// confirming are the partitions whose ends are confirmed whenever the task asks.
	confirming []int
	asked      atomic.Bool
	// refill is called when the task has taken records.
	refill func()

	// commit answers what the runner commits; nil takes everything.
	commit func() error

	finish, quit chan struct{}
	stop         context.CancelFunc
	result       chan error
}

// keptBy is a keeper that writes down what is committed.
type keptBy struct{ *rig }

func (k keptBy) Commit(_ context.Context, seq int64, checkpoint []byte) error {
	c, err := task.ReadCheckpoint(checkpoint)
	if err != nil {
		return err
	}
	k.notes.add("commit seq %d, next %d and %d", seq, c.Position.Sources[0].Offset, c.Position.Sources[1].Offset)
	if k.commit != nil {
		return k.commit()
	}
	return nil
}

func (k keptBy) Write() error { return nil }

func (k keptBy) Ended(context.Context) error {
	k.notes.add("ended")
	return nil
}

var rigOptions = Options{
	BatchSize: 10, EmitInterval: time.Second, CommitInterval: time.Second, IdleTimeout: time.Minute,
	MaxFuture: 10 * time.Minute, MaxOutOfOrderness: 1000,
}

func newRig(t *testing.T, opts Options) *rig {
	g := &rig{
		t: t, notes: &notes{begun: time.Now()}, hub: newHub(service.MockResources()), op: &counter{schema: event.NewSchema("count", "n")},
		out: make(chan Batch), sources: []*task.Source{{Topic: "a", Partition: 3}, {Topic: "b", Partition: 3}}, result: make(chan error, 1),
		finish: make(chan struct{}), quit: make(chan struct{}),
	}
	g.ledger = &told{notes: g.notes}
	if err := g.hub.Attach(t.Context(), g.ledger); err != nil {
		t.Fatal(err)
	}
	chain, _, err := task.NewChain([]task.Stage{{Label: "count", Op: g.op}}, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	run := TaskRun{Stream: "s", Task: 3, Generation: 7, CommittedSeq: 40}
	g.run = NewRunner(run, opts, g.hub, g, task.New(chain, g.sources, opts.MaxOutOfOrderness), keptBy{g}, g.out)
	return g
}

func (g *rig) Hungry() {}

// Confirm answers after a while, as a broker does.
func (g *rig) Confirm() {
	if g.asked.CompareAndSwap(false, true) {
		time.AfterFunc(50*time.Millisecond, func() {
			g.asked.Store(false)
			for _, i := range g.confirming {
				g.run.ConfirmEnd(i)
			}
		})
	}
}

func (g *rig) Drained(i int, _ int64) {
	if g.refill != nil && i == 0 {
		g.refill()
	}
}

func (g *rig) start() {
	ctx, stop := context.WithCancel(g.t.Context())
	g.stop = stop
	go func() {
		finished, err := g.run.Run(ctx, g.finish, g.quit)
		g.notes.add("run ends, finished %v", finished)
		g.result <- err
	}()
}

// deliver hands rows of partition i to the runner.
func (g *rig) deliver(i int, rows []event.Row, end bool) {
	g.run.Deliver(i, task.BatchOf(rows...), rows[len(rows)-1].Source.Offset+1, end)
}

// rows makes n records, a millisecond apart from ms on, of partition i.
func (g *rig) rows(i int, ms event.Time, n int) []event.Row {
	rows := make([]event.Row, n)
	for k := range rows {
		rows[k] = event.Row{Time: ms + event.Time(k), Source: &event.Source{Topic: g.sources[i].Topic, Partition: 3, Offset: g.offset, Value: []byte("v")}}
		g.offset++
	}
	return rows
}

// take receives a batch and notes it.
func (g *rig) take() Batch {
	b := <-g.out
	var texts []string
	for _, m := range b.Messages {
		kind, _ := m.MetaGet(MetaKind)
		text := kind
		if body, err := m.AsBytes(); err == nil && kind == KindRow {
			text = string(body)
		}
		texts = append(texts, text)
	}
	g.notes.add("output %s", strings.Join(texts, " "))
	return b
}

// collect takes everything and acknowledges it at once, in a goroutine that ends with the runner.
func (g *rig) collect() {
	done := g.t.Context().Done()
	go func() {
		for {
			select {
			case b := <-g.out:
				go func(b Batch) { b.Done(nil) }(b)
			case <-done:
				return
			}
		}
	}()
}

func (g *rig) end(want error) {
	g.t.Helper()
	g.stop()
	if err := <-g.result; !errors.Is(err, want) {
		g.t.Errorf("Run returns %v, want %v", err, want)
	}
}

// TestEmitsWhenCaughtUp: changed windows leave at once when nothing waits to be merged.
func TestEmitsWhenCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.confirming = []int{0, 1}
		g.start()
		synctest.Wait()
		g.notes.want(t, "0s begin 3 generation 7 seq 40")
		time.Sleep(1234 * time.Millisecond)
		g.deliver(0, g.rows(0, 5000, 3), true)
		b := g.take()
		g.notes.want(t, `1.234s output {"n":3}`)
		b.Done(nil)
		time.Sleep(10 * time.Millisecond)
		g.deliver(0, g.rows(0, 5003, 1), true)
		b = g.take()
		b.Done(nil)
		g.notes.want(t, `1.244s output {"n":4}`)
		g.end(context.Canceled)
	})
}

// TestEmitsUnderLoad: while records come faster than they are taken, changed windows
// leave every emit interval, and no more often.
func TestEmitsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := rigOptions
		opts.CommitInterval = time.Hour
		g := newRig(t, opts)
		g.op.echo = true // so that each step has output, whose slowness lets time pass
		ms := event.Time(0)
		load := func() {
			g.deliver(0, g.rows(0, ms, 10), false)
			g.deliver(1, g.rows(1, ms, 10), false)
			ms += 10
		}
		load()
		g.refill = load
		g.start()
		var flushes []time.Duration
		for range 100 {
			b := <-g.out
			for _, m := range b.Messages {
				if name, _ := m.MetaGet(MetaOperator); name == "count" {
					flushes = append(flushes, time.Since(g.notes.begun))
				}
			}
			time.Sleep(70 * time.Millisecond)
			b.Done(nil)
		}
		if len(flushes) < 5 {
			t.Fatalf("flushed at %v only", flushes)
		}
		for i, f := range flushes[1:] {
			if d := f - flushes[i]; d < opts.EmitInterval || d > opts.EmitInterval+3*70*time.Millisecond {
				t.Errorf("flushed at %v and %v", flushes[i], f)
			}
		}
		g.end(context.Canceled)
	})
}

// TestStarvingIsNotCaughtUp: a task that waits for one partition while another has
// records is behind, so its windows wait for the emit interval.
func TestStarvingIsNotCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := rigOptions
		opts.CommitInterval = time.Hour
		g := newRig(t, opts)
		g.start()
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		g.deliver(0, g.rows(0, 5000, 5), false)
		g.deliver(1, g.rows(1, 5000, 1), false)
		b := g.take() // merged up to 5000, then waits for partition B
		b.Done(nil)
		// The last flush of nothing was at most 100 ms before the records came.
		if at := time.Since(g.notes.begun); at < 1400*time.Millisecond || at > 1600*time.Millisecond {
			t.Errorf("emitted at %v", at)
		}
		g.end(context.Canceled)
	})
}

// TestCommitWaitsForOutputs: the ledgers hear of a commit when everything that was
// emitted before has been taken, in whatever order that happens.
func TestCommitWaitsForOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.confirming = []int{0, 1}
		g.start()
		synctest.Wait()
		g.notes.take()

		g.deliver(0, g.rows(0, 5000, 1), true)
		g.deliver(1, g.rows(1, 6000, 1), true)
		first := g.take()
		g.deliver(0, g.rows(0, 7000, 1), true)
		g.deliver(1, g.rows(1, 8000, 1), true)
		second := g.take()
		g.notes.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		g.notes.want(t) // nothing is committed
		second.Done(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		g.notes.want(t)
		first.Done(nil)
		first.Done(nil) // an output that acknowledges twice counts once
		synctest.Wait()
		g.notes.want(t, "2m0s commit seq 42, next 3 and 4", "2m0s advance 3 seq 42 to 6000")
		// The commit is over: the task goes on.
		g.deliver(1, g.rows(1, 8001, 1), true)
		b := g.take()
		g.notes.want(t, `2m0s output {"n":5}`)
		b.Done(nil)
		// What has not changed is committed and told once.
		time.Sleep(time.Hour)
		synctest.Wait()
		g.notes.want(t, "2m1s commit seq 43, next 3 and 5", "2m1s advance 3 seq 43 to 6000")
		g.end(context.Canceled)
	})
}

// TestCommitStopsFeeding: between the flush of a commit and the last acknowledgement
// nothing more is merged.
func TestCommitStopsFeeding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.confirming = []int{0, 1}
		g.start()
		g.deliver(0, g.rows(0, 5000, 1), true)
		g.deliver(1, g.rows(1, 5000, 1), true)
		b := g.take()
		time.Sleep(2 * time.Second) // the commit waits by now
		g.deliver(0, g.rows(0, 9000, 1), true)
		g.deliver(1, g.rows(1, 9000, 1), true)
		time.Sleep(time.Second)
		synctest.Wait()
		g.notes.take()
		b.Done(nil)
		b = g.take()
		g.notes.want(t, "3s commit seq 41, next 1 and 2", "3s advance 3 seq 41 to 4000", `3s output {"n":4}`)
		b.Done(nil)
		g.end(context.Canceled)
	})
}

// TestEnd: a bounded run commits, ends time and tells the ledgers.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.start()
		g.deliver(0, g.rows(0, 5000, 2), false)
		g.deliver(1, g.rows(1, 6000, 1), false)
		g.run.Finish(0, g.offset)
		g.run.Finish(1, g.offset)
		b := g.take()
		time.Sleep(3 * time.Second)
		b.Done(nil)
		if err := <-g.result; err != nil {
			t.Fatal(err)
		}
		g.notes.want(t, "0s begin 3 generation 7 seq 40", `0s output {"n":3}`,
			"3s commit seq 41, next 3 and 3", "3s advance 3 seq 41 to 5000", "3s advance 3 seq 41 to +inf", "3s ended", "3s run ends, finished true")
		if len(g.hub.runs) != 0 {
			t.Errorf("the hub keeps %v", g.hub.runs)
		}
		if acc := fmt.Sprint(g.run.Accounts()); acc != "[{input a in=2 passed=2} {input b in=1 passed=1} {count a in=2 passed=2} {count b in=1 passed=1}]" {
			t.Error(acc)
		}
	})
}

// TestEndWithoutRecords: a task that never had a record has no watermark, and the
// end of its input makes none.
func TestEndWithoutRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.start()
		g.run.Finish(0, g.offset)
		time.Sleep(5 * time.Second)
		g.run.Finish(1, g.offset)
		if err := <-g.result; err != nil {
			t.Fatal(err)
		}
		g.notes.want(t, "0s begin 3 generation 7 seq 40", "5s ended", "5s run ends, finished true")
	})
}

// TestEndBehindTheFuture: records of the future are dead letters and count as none.
func TestEndBehindTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.start()
		g.deliver(0, g.rows(0, event.TimeOf(time.Now().Add(rigOptions.MaxFuture))+1, 1), false)
		g.deliver(0, g.rows(0, event.MaxTime, 1), false)
		g.run.Finish(0, g.offset)
		g.run.Finish(1, g.offset)
		b := g.take()
		b.Done(nil)
		if err := <-g.result; err != nil {
			t.Fatal(err)
		}
		g.notes.want(t, "0s begin 3 generation 7 seq 40", "0s output dead_letter dead_letter", "0s commit seq 42, next 2 and 2", "0s advance 3 seq 42 to -inf", "0s ended", "0s run ends, finished true")
	})
}

func TestBeginFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		broken := errors.New("no such table")
		g.ledger.begin = func() error { return broken }
		g.start()
		err := <-g.result
		if !errors.Is(err, broken) || err.Error() != "begin: no such table" {
			t.Error(err)
		}
		if len(g.hub.runs) != 0 {
			t.Errorf("the hub keeps %v", g.hub.runs)
		}
		g.notes.want(t, "0s begin 3 generation 7 seq 40", "0s run ends, finished false")
	})
}

// TestStalledOutput: while the outputs stand for an hour, the ends of partitions may
// be confirmed as often as they like: none turns idle, and nothing piles up.
func TestStalledOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.op.echo = true
		g.start()
		g.deliver(0, g.rows(0, 5000, 5), false)
		g.deliver(1, g.rows(1, 5000, 1), true)
		b := g.take()
		b.Done(nil)
		g.deliver(0, g.rows(0, 6000, 500), false) // of which the output takes none
		for range 36_000 {
			g.run.ConfirmEnd(1) // other tasks ask
			time.Sleep(100 * time.Millisecond)
		}
		g.run.mu.Lock()
		piled := len(g.run.inbox)
		g.run.mu.Unlock()
		if piled > 2 {
			t.Errorf("%d confirmations pile up", piled)
		}
		g.collect()
		for range 10 {
			g.deliver(0, g.rows(0, 7000, 1), false)
			g.run.ConfirmEnd(1)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if g.sources[1].IsIdle() {
			t.Error("a stalled output made a partition idle")
		}
		if g.sources[1].Len() != 0 || g.sources[0].Len() != 0 {
			t.Error("the task does not go on")
		}
		// The same for as long as the timeout, with an output that works, does.
		for range 700 {
			g.deliver(0, g.rows(0, 8000, 1), false)
			g.run.ConfirmEnd(1)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if !g.sources[1].IsIdle() || g.run.task.Watermark() != 7000 {
			t.Errorf("partition B is not idle, watermark %v", g.run.task.Watermark())
		}
		g.end(context.Canceled)
	})
}

// TestIdleUnderLoad: a partition turns idle although the task never comes to rest,
// because it asks for the ends while it works.
func TestIdleUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := rigOptions
		g := newRig(t, opts)
		g.op.echo = true
		g.confirming = []int{1}
		ms := event.Time(10_000)
		g.refill = func() { // called by the runner, whose sources they are
			if g.sources[1].IsIdle() && time.Since(g.notes.begun) < opts.IdleTimeout {
				t.Errorf("idle after %v", time.Since(g.notes.begun))
			}
			g.deliver(0, g.rows(0, ms, 20), false)
			ms += 20
		}
		g.refill()
		g.deliver(1, g.rows(1, 5000, 1), true)
		g.start()
		for time.Since(g.notes.begun) < 90*time.Second {
			b := <-g.out
			time.Sleep(50 * time.Millisecond)
			b.Done(nil)
		}
		g.stop()
		if err := <-g.result; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if !g.sources[1].IsIdle() {
			t.Error("not idle after 90 s")
		}
	})
}

// TestIdleMovesWatermark: the watermark moves with the news that a partition is idle,
// not with the next record.
func TestIdleMovesWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.collect()
		g.start()
		for range 62 {
			g.deliver(0, g.rows(0, 5000, 1), true)
			synctest.Wait()
			if w := g.run.task.Watermark(); w != event.MinTime {
				t.Fatalf("watermark %v before partition B is idle", w)
			}
			g.run.ConfirmEnd(1)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if w := g.run.task.Watermark(); w != 4000 {
			t.Errorf("watermark %v", w)
		}
		g.end(context.Canceled)
	})
}

// TestConfirmEndThenRecord: a confirmation that is overtaken by a record makes nothing idle.
func TestConfirmEndThenRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, rigOptions)
		g.collect()
		g.start()
		for range 700 {
			g.deliver(0, g.rows(0, 5000, 1), true)
			g.run.ConfirmEnd(1)
			g.deliver(1, g.rows(1, 5000, 1), false)
			g.run.ConfirmEnd(1)
			time.Sleep(100 * time.Millisecond)
		}
		g.deliver(0, g.rows(0, 6000, 1), true) // B stands at its end: nobody waits for it
		synctest.Wait()
		if g.sources[1].IsIdle() {
			t.Error("idle")
		}
		if g.sources[0].Len()+g.sources[1].Len() > 0 {
			t.Error("the task waits for a partition that stands at its end")
		}
		g.end(context.Canceled)
	})
}

// TestStopsAnywhere: Run ends with its context, wherever it waits.
func TestStopsAnywhere(t *testing.T) {
	for name, reach := range map[string]func(g *rig){
		"waiting for records": func(*rig) {},
		"waiting for outputs to take": func(g *rig) {
			g.deliver(0, g.rows(0, 5000, 1), true)
			g.deliver(1, g.rows(1, 5000, 1), true)
		},
		"waiting for acknowledgements": func(g *rig) {
			g.deliver(0, g.rows(0, 5000, 1), true)
			g.deliver(1, g.rows(1, 5000, 1), true)
			<-g.out
			time.Sleep(5 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, rigOptions)
				g.start()
				reach(g)
				synctest.Wait()
				g.end(context.Canceled)
				if len(g.hub.runs) != 0 {
					t.Errorf("the hub keeps %v", g.hub.runs)
				}
			})
		})
	}
}

// TestBatches: rows come in batches of at most BatchSize, stamped and numbered.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := rigOptions
		opts.BatchSize = 3
		g := newRig(t, opts)
		g.op.echo = true
		g.start()
		g.deliver(0, g.rows(0, 5000, 7), false)
		g.run.Finish(0, g.offset)
		g.run.Finish(1, g.offset)
		seq := int64(40)
		for seq < 48 { // seven rows, and one at the end
			b := <-g.out
			if len(b.Messages) > 3 {
				t.Errorf("a batch of %d", len(b.Messages))
			}
			for _, m := range b.Messages {
				seq++
				for key, want := range map[string]any{MetaStream: "s", MetaTask: int64(3), MetaGeneration: int64(7), MetaSeq: seq, MetaKind: KindRow} {
					if got, _ := m.MetaGetMut(key); got != want {
						t.Errorf("%s is %v (%T), want %v", key, got, got, want)
					}
				}
			}
			b.Done(nil)
		}
		if err := <-g.result; err != nil || seq != 48 {
			t.Errorf("the last message has seq %d, %v", seq, err)
		}
	})
}
