package host

import (
	"context"
	"errors"
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
	// RowsPerMessage is the most rows of one message. Where it is more than one, rows
	// leave in bundles, otherwise each as a message of its own.
	RowsPerMessage int
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

// Batch is what a task hands to the outputs. Done is called once they have taken
// it, or with the error with which they refused it: then the run of the task is
// over, and the next one emits again what was not committed.
type Batch struct {
	Messages service.MessageBatch
	Done     func(err error)
}

// Keeper makes what a task has come to outlive its run.
type Keeper interface {
	// Commit makes the changed state of the task, its checkpoint in stored form and the
	// number of its last emission durable, all or none. What it is given stays the
	// caller's. After an error nothing is known, and the run is over.
	Commit(ctx context.Context, seq int64, checkpoint []byte) error
	// Write brings what is committed to where the next run finds it first. It is called
	// before the state changes in ways that will not be committed.
	Write() error
	// Ended tells that a bounded run has emitted all that there will be, as final. It
	// changes nothing of what is committed.
	Ended(ctx context.Context) error
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
// and commits. Deliver, ConfirmEnd and Finish are the feed's to call, from any
// goroutine.
type Runner struct {
	run    TaskRun
	opts   Options
	hub    *Hub
	feed   Feed
	task   *task.Task
	keeper Keeper
	out    chan<- Batch
	stop   <-chan struct{}
	quit   <-chan struct{}

	mu    sync.Mutex
	inbox []delivery
	wake  chan struct{}
	ended []bool // by partition: its last news in the inbox is that its end was confirmed

	idle     *idleness
	pushed   []int64 // records per partition that came out of the inbox
	sink     task.Sink
	bundler  *bundler // nil where each row is a message
	pending  service.MessageBatch
	seq      int64
	inflight inflight
	refused  context.CancelCauseFunc // ends the run when an output refuses a batch
	kept     int64                   // the committed seq
	place    []byte                  // the committed checkpoint
	over     bool                    // event time was brought to its end, and must not be committed
	told     progress                // what the ledgers know
	asked    time.Time               // when the ends were asked for under load
}

// delivery is news of one partition, in its order.
type delivery struct {
	part     int
	records  *task.Batch
	next     int64 // offset behind them, 0 without
	end      bool  // the broker confirmed that nothing follows
	finished bool  // a bounded run reads no further
}

// NewRunner makes the runner of one task, which goes on from where run and t stand.
func NewRunner(run TaskRun, opts Options, hub *Hub, feed Feed, t *task.Task, keeper Keeper, out chan<- Batch) *Runner {
	r := &Runner{
		run: run, opts: opts, hub: hub, feed: feed, task: t, keeper: keeper, out: out,
		wake: make(chan struct{}, 1), pushed: make([]int64, len(t.Sources)), ended: make([]bool, len(t.Sources)),
		idle:     newIdleness(len(t.Sources), opts.IdleTimeout),
		inflight: inflight{done: make(chan struct{}, 1)},
		seq:      run.CommittedSeq, kept: run.CommittedSeq, place: t.Checkpoint().Append(nil),
		told: progress{run, run.CommittedSeq, event.MinTime},
	}
	if opts.RowsPerMessage > 1 {
		r.bundler = newBundler(min(opts.RowsPerMessage, opts.BatchSize)) // no bundle is larger than a batch
	}
	return r
}

// Deliver hands records of partition i, nil for none, to the task. Next is the offset behind them
// and behind what else the partition holds there, such as control records. End tells
// that the broker has confirmed the end at next.
func (r *Runner) Deliver(i int, records *task.Batch, next int64, end bool) {
	r.post(delivery{part: i, records: records, next: next, end: end})
}

// ConfirmEnd tells that the broker confirmed the end of partition i behind all that was delivered.
func (r *Runner) ConfirmEnd(i int) { r.post(delivery{part: i, end: true}) }

// Finish tells that a bounded run delivers no more of partition i, of which everything
// before the offset next is read.
func (r *Runner) Finish(i int, next int64) { r.post(delivery{part: i, next: next, finished: true}) }

func (r *Runner) post(d delivery) {
	r.mu.Lock()
	if confirmation := d.records.Len() == 0 && d.next == 0 && !d.finished; !confirmation || !r.ended[d.part] {
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

// Run drives the task until it has to end or a bounded run is over; then finished is
// true. When stop is closed it emits what has changed, commits and ends. When quit is
// closed the outputs take nothing more: then it commits what they have taken if
// nothing is left that they have not, and ends. When ctx ends, and after an error,
// what was not committed is lost with the task.
func (r *Runner) Run(ctx context.Context, stop, quit <-chan struct{}) (finished bool, err error) {
	r.stop, r.quit = stop, quit
	ctx, r.refused = context.WithCancelCause(ctx)
	defer r.refused(nil)
	if err := r.begin(ctx); err != nil {
		return false, err
	}
	defer r.hub.End(r.run)
	finished, err = r.loop(ctx)
	if errors.Is(err, errQuit) {
		return false, r.settle(ctx)
	}
	return finished, orCause(ctx, err)
}

// begin tells the ledgers of the run. They may wait for their database; who has to end
// does not wait with them, as nothing has begun.
func (r *Runner) begin(ctx context.Context) error {
	telling, told := until(ctx, r.stop, r.quit)
	defer told()
	if err := r.hub.Begin(telling, r.run); err != nil {
		return fmt.Errorf("begin: %w", orCause(ctx, err))
	}
	return nil
}

// until is a context that ends when one of the channels is closed.
func until(ctx context.Context, channels ...<-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	for _, c := range channels {
		go func() {
			select {
			case <-c:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// errQuit says that the outputs take nothing more.
var errQuit = errors.New("quit")

// orCause is err, or why ctx ended if that is what err says.
func orCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (r *Runner) loop(ctx context.Context) (finished bool, err error) {
	began := time.Now()
	emitted, sent, committed, uncommitted := began, began, began, 0
	for {
		r.receive()
		n := r.task.Step(r.opts.BatchSize, event.TimeOf(time.Now().Add(r.opts.MaxFuture)), &r.sink)
		if n > 0 {
			r.drained()
			uncommitted += n
		}
		now := time.Now()
		if n == 0 && r.caughtUp() || now.Sub(emitted) >= r.opts.EmitInterval {
			if err := r.flush(ctx); err != nil {
				return false, err
			}
			emitted = now
		}
		if n == 0 || r.unsaid() >= gather*r.opts.BatchSize || now.Sub(sent) >= sendEvery {
			r.stamp()
			if err := r.send(ctx); err != nil {
				return false, err
			}
			sent = now
		}
		if closed(r.stop) {
			if err := r.flush(ctx); err != nil {
				return false, err
			}
			return false, r.commit(ctx)
		}
		if now.Sub(committed) >= r.opts.CommitInterval || uncommitted >= mostUncommitted {
			if err := r.commit(ctx); err != nil {
				return false, err
			}
			committed, uncommitted = time.Now(), 0
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

// flush makes the operators emit what has changed, and hands it on as it comes.
func (r *Runner) flush(ctx context.Context) error {
	for r.task.Flush(&r.sink) {
		if r.unsaid() >= gather*r.opts.BatchSize {
			r.stamp()
			if err := r.send(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendEvery is how long what is emitted under load may wait for more: a few rows cost an
// output nearly as much as many.
const sendEvery = 100 * time.Millisecond

// gather is how many batches are made at a time, as the rows of each operator go to a
// table of their own.
const gather = 12

// unsaid is the number of rows and dead letters that are no messages yet.
func (r *Runner) unsaid() int { return len(r.sink.Rows) + len(r.sink.Rejects) }

// mostUncommitted records are merged before a commit comes early: what they change has
// to stay in memory until then, at any speed.
const mostUncommitted = 200_000

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
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
		s.Push(d.records)
		r.pushed[d.part] += int64(d.records.Len())
		s.Reach(d.next)
		if d.records.Len() > 0 {
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
	case <-r.stop:
	case <-r.quit:
		return errQuit
	}
	return nil
}

// stamp makes messages of what was emitted, and numbers all of it in that order.
func (r *Runner) stamp() {
	if r.bundler != nil {
		r.bundler.expect(r.sink.Rows)
	}
	for i := range r.sink.Rows {
		row := &r.sink.Rows[i]
		r.seq++
		if r.bundler == nil || row.Schema == nil { // what nobody has decoded is its own message
			r.put(outgoing(row))
		} else if b := r.bundler.add(row, r.seq); b != nil {
			r.put(b.message())
		}
	}
	for i := range r.sink.Rejects {
		r.seq++
		r.put(DeadLetter(&r.sink.Rejects[i]))
	}
	r.sink.Reset()
}

// put marks a message with the number of its last row, for the outputs to take.
func (r *Runner) put(m *service.Message) {
	m.MetaSetMut(MetaStream, r.run.Stream)
	m.MetaSetMut(MetaTask, int64(r.run.Task))
	m.MetaSetMut(MetaGeneration, r.run.Generation)
	m.MetaSetMut(MetaSeq, r.seq)
	r.pending = append(r.pending, m)
}

// portion is how many of the pending messages make a batch.
func (r *Runner) portion() int {
	if r.bundler == nil {
		return min(len(r.pending), r.opts.BatchSize)
	}
	rows := 0
	for i, m := range r.pending {
		if rows += RowCount(m); rows > r.opts.BatchSize {
			return i
		}
	}
	return len(r.pending)
}

// send hands messages to the outputs. It blocks while they are busy: that is how
// they slow the task down.
func (r *Runner) send(ctx context.Context) error {
	for len(r.pending) > 0 {
		n := r.portion()
		taken := r.inflight.add()
		b := Batch{Messages: r.pending[:n:n], Done: func(err error) {
			if err != nil {
				r.refused(fmt.Errorf("an output refused %d messages: %w", n, err))
			}
			taken()
		}}
		select {
		case r.out <- b:
			r.pending = r.pending[n:]
			continue
		case <-r.quit:
			taken()
			return errQuit
		case <-ctx.Done():
			taken()
			return ctx.Err()
		}
	}
	r.pending = nil
	return nil
}

// Settle waits until the outputs have taken or refused what the run handed to them,
// at most until ctx ends: the next run's rows should come behind this one's.
func (r *Runner) Settle(ctx context.Context) { _ = r.inflight.wait(ctx, nil) }
