package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Options are the settings of all tasks of a stateful input.
type Options struct {
	// BatchSize is the most records that are merged in one go, and the most rows of one output batch.
	BatchSize int
	// EmitInterval is the longest time that a changed window waits under load.
	EmitInterval time.Duration
	// CommitInterval is the time between two commits.
	CommitInterval time.Duration
	// IdleTimeout is how long a partition stands at its end before it is idle.
	IdleTimeout time.Duration
	// MaxFuture is how far beyond the wall clock an event time may lie.
	MaxFuture time.Duration
	// MaxOutOfOrderness is how far behind the largest event time of its partition an event may be.
	MaxOutOfOrderness event.Duration
}

// Batch is what a task hands to the outputs. Done is called once they have taken it.
type Batch struct {
	Messages service.MessageBatch
	Done     func()
}

// Feed is where a runner's records come from. Its methods do not wait and may be
// called as often as one likes.
type Feed interface {
	// Hungry tells that the task has nothing to do.
	Hungry()
	// Confirm asks for the ends of the partitions; the answer comes through
	// Runner.ConfirmEnd.
	Confirm()
	// Drained tells how many of the records that were delivered of partition i are
	// merged by now.
	Drained(i int, merged int64)
}

// Runner drives one task in a goroutine of its own: it takes the records that the
// feed delivers, lets the task merge and process them, hands on what is emitted,
// and commits. All its methods but Run are called by the feed.
type Runner struct {
	run  TaskRun
	opts Options
	hub  *Hub
	feed Feed
	task *task.Task
	out  chan<- Batch

	mu    sync.Mutex
	inbox []delivery
	wake  chan struct{}
	ended []bool // by partition: its last news in the inbox is that its end was confirmed

	idle     *idleness
	pushed   []int64 // records per partition that came out of the inbox
	sink     task.Sink
	pending  service.MessageBatch
	seq      int64
	inflight inflight
	told     event.Time // the watermark that the ledgers know
	asked    time.Time  // when the ends were asked for under load
}

// delivery is news of one partition, in its order.
type delivery struct {
	part     int
	rows     []event.Row
	end      bool // the broker confirmed that nothing follows
	finished bool // a bounded run reads no further
}

// NewRunner makes the runner of one task.
func NewRunner(run TaskRun, opts Options, hub *Hub, feed Feed, t *task.Task, out chan<- Batch) *Runner {
	return &Runner{
		run: run, opts: opts, hub: hub, feed: feed, task: t, out: out,
		wake: make(chan struct{}, 1), pushed: make([]int64, len(t.Sources)), ended: make([]bool, len(t.Sources)),
		idle:     newIdleness(len(t.Sources), opts.IdleTimeout),
		inflight: inflight{done: make(chan struct{}, 1)}, told: event.MinTime,
	}
}

// Deliver hands records of partition i to the task. End tells that the broker has
// confirmed the end behind them.
func (r *Runner) Deliver(i int, rows []event.Row, end bool) {
	r.post(delivery{part: i, rows: rows, end: end})
}

// ConfirmEnd tells that the broker confirmed the end of partition i behind all that was delivered.
func (r *Runner) ConfirmEnd(i int) { r.post(delivery{part: i, end: true}) }

// Finish tells that a bounded run delivers no more of partition i.
func (r *Runner) Finish(i int) { r.post(delivery{part: i, finished: true}) }

func (r *Runner) post(d delivery) {
	r.mu.Lock()
	if confirmation := len(d.rows) == 0 && !d.finished; !confirmation || !r.ended[d.part] {
		r.inbox = append(r.inbox, d)
	} // else the inbox says so already: while the task stands, confirmations must not pile up
	r.ended[d.part] = d.end
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Accounts are the accounts of the task. It may be called when Run has returned.
func (r *Runner) Accounts() []task.Line { return r.task.Accounts() }

// Run drives the task until ctx ends or a bounded run is over; then finished is true.
func (r *Runner) Run(ctx context.Context) (finished bool, err error) {
	if err := r.hub.Begin(ctx, r.run); err != nil {
		return false, fmt.Errorf("begin task %d: %w", r.run.Task, err)
	}
	defer r.hub.End(r.run)

	emitted, committed := time.Now(), time.Now()
	for {
		r.receive()
		n := r.task.Step(r.opts.BatchSize, event.TimeOf(time.Now().Add(r.opts.MaxFuture)), &r.sink)
		if n > 0 {
			r.drained()
		}
		now := time.Now()
		if n == 0 && r.caughtUp() || now.Sub(emitted) >= r.opts.EmitInterval {
			r.task.Flush(&r.sink)
			emitted = now
		}
		if err := r.send(ctx); err != nil {
			return false, err
		}
		if now.Sub(committed) >= r.opts.CommitInterval {
			if err := r.commit(ctx); err != nil {
				return false, err
			}
			committed = time.Now()
		}
		if n > 0 {
			r.watchEnds(now)
			continue
		}
		if r.done() {
			return true, r.end(ctx)
		}
		if err := r.wait(ctx, committed.Add(r.opts.CommitInterval)); err != nil {
			return false, err
		}
	}
}

// receive moves what the feed delivered to the sources of the task.
func (r *Runner) receive() {
	r.mu.Lock()
	news := r.inbox
	r.inbox = nil
	clear(r.ended)
	r.mu.Unlock()
	now := time.Now()
	settle := false
	for _, d := range news {
		s := r.task.Sources[d.part]
		for i := range d.rows {
			s.Push(d.rows[i])
		}
		r.pushed[d.part] += int64(len(d.rows))
		if len(d.rows) > 0 {
			r.idle.deliver(d.part, now)
		}
		if d.end {
			s.AtEnd()
			if s.IsAtEnd() && !s.IsIdle() && r.idle.confirm(d.part, now) {
				s.SetIdle()
				settle = true
			}
		}
		if d.finished {
			s.Finish()
			settle = true
		}
	}
	if settle {
		r.task.Settle(&r.sink)
	}
}

func (r *Runner) drained() {
	for i, s := range r.task.Sources {
		r.feed.Drained(i, r.pushed[i]-int64(s.Len()))
	}
}

// caughtUp tells whether everything that was received is merged. A task that has
// to wait for one partition while another has records waiting is behind, not idle.
func (r *Runner) caughtUp() bool {
	for _, s := range r.task.Sources {
		if s.Len() > 0 {
			return false
		}
	}
	return true
}

func (r *Runner) done() bool {
	for _, s := range r.task.Sources {
		if !s.Done() {
			return false
		}
	}
	return true
}

// waited tells whether the merge has to wait for a partition: neither a record of it
// nor the news that none follows has come.
func (r *Runner) waited() bool {
	for _, s := range r.task.Sources {
		if s.Len() == 0 && !s.IsAtEnd() && !s.IsIdle() && !s.Done() {
			return true
		}
	}
	return false
}

// watchEnds asks for the ends now and then while there are partitions that others
// may leave behind: only answers make them idle. While all stand still nobody asks.
func (r *Runner) watchEnds(now time.Time) {
	if r.idle.still(now) || now.Sub(r.asked) < r.idle.askEvery() {
		return
	}
	for _, s := range r.task.Sources {
		if s.IsAtEnd() && !s.IsIdle() && !s.Done() {
			r.asked = now
			r.feed.Confirm()
			return
		}
	}
}

// confirmEvery is how often the ends of partitions are asked for while the task
// waits at one that has not delivered.
const confirmEvery = 100 * time.Millisecond

// wait sleeps until something is delivered or due.
func (r *Runner) wait(ctx context.Context, commit time.Time) error {
	next := time.Until(commit)
	r.feed.Hungry()
	if r.waited() {
		r.feed.Confirm()
		next = min(next, confirmEvery)
	} else {
		r.watchEnds(time.Now())
		next = min(next, r.idle.askEvery())
	}
	timer := time.NewTimer(max(next, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.wake:
	case <-timer.C:
	}
	return nil
}

// send hands what was emitted to the outputs. It blocks while they are busy: that
// is how they slow the task down.
func (r *Runner) send(ctx context.Context) error {
	for i := range r.sink.Rows {
		r.stamp(outgoing(&r.sink.Rows[i]))
	}
	for i := range r.sink.Rejects {
		r.stamp(DeadLetter(&r.sink.Rejects[i]))
	}
	clear(r.sink.Rows)
	clear(r.sink.Rejects)
	r.sink.Rows, r.sink.Rejects = r.sink.Rows[:0], r.sink.Rejects[:0]
	for len(r.pending) > 0 {
		n := min(len(r.pending), r.opts.BatchSize)
		b := Batch{Messages: r.pending[:n:n], Done: r.inflight.add()}
		select {
		case r.out <- b:
			r.pending = r.pending[n:]
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.pending = nil
	return nil
}

func (r *Runner) stamp(m *service.Message) {
	r.seq++
	m.MetaSetMut(MetaStream, r.run.Stream)
	m.MetaSetMut(MetaTask, int64(r.run.Task))
	m.MetaSetMut(MetaGeneration, r.run.Generation)
	m.MetaSetMut(MetaSeq, r.seq)
	r.pending = append(r.pending, m)
}

// commit makes sure that the outputs have taken everything that follows from what
// was merged so far, and tells the ledgers how far that is. State is kept in
// memory, so nothing is committed that a restart could resume from: the ledgers'
// seq stays where the run began.
func (r *Runner) commit(ctx context.Context) error {
	r.task.Flush(&r.sink)
	if err := r.settleOutputs(ctx); err != nil {
		return err
	}
	return r.advance(ctx, r.task.Watermark())
}

func (r *Runner) settleOutputs(ctx context.Context) error {
	if err := r.send(ctx); err != nil {
		return err
	}
	return r.inflight.wait(ctx)
}

func (r *Runner) advance(ctx context.Context, w event.Time) error {
	if !r.task.HasSeenRecord() {
		w = event.MinTime
	}
	if w == r.told {
		return nil
	}
	r.told = w
	if err := r.hub.Advance(ctx, r.run, r.run.CommittedSeq, w); err != nil {
		return fmt.Errorf("commit task %d: %w", r.run.Task, err)
	}
	return nil
}

// end is the last step of a bounded run: commit, then close everything that is
// open as if event time had come to its end. The last part is not committed.
func (r *Runner) end(ctx context.Context) error {
	if err := r.commit(ctx); err != nil {
		return err
	}
	r.task.End(&r.sink)
	if err := r.settleOutputs(ctx); err != nil {
		return err
	}
	return r.advance(ctx, event.MaxTime)
}

// inflight counts batches that the outputs have not taken yet.
type inflight struct {
	mu   sync.Mutex
	n    int
	done chan struct{} // holds a token when n came to 0
}

// add counts a batch; the function that it returns is called once, when it is taken.
func (f *inflight) add() func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	var once sync.Once
	return func() {
		once.Do(func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.n--; f.n == 0 {
				select {
				case f.done <- struct{}{}:
				default:
				}
			}
		})
	}
}

// wait returns when everything that was counted is taken.
func (f *inflight) wait(ctx context.Context) error {
	for {
		f.mu.Lock()
		n := f.n
		f.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
