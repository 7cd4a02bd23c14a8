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
	// asksCommit: a commit was asked for behind what the inbox has.
	asksCommit bool

	held     []delivery // came out of the inbox, and waits until the operators are prepared
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
	hurry    bool                    // a commit is due once everything that was received is merged
	gauge    gauge
	reports  *reports // nil where nobody wants to know
	log      *TaskLog // nil where nobody wants to know
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
	r.gauge.heads = make([]head, len(t.Sources))
	t.Notify(r.rouse)
	if opts.RowsPerMessage > 1 {
		r.bundler = newBundler(min(opts.RowsPerMessage, opts.BatchSize)) // no bundle is larger than a batch
	}
	return r
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
	r.log.running(r.run.Generation, r.watermark())
	r.measure()
	if r.gauge.task != nil {
		r.reports = startReports(ctx, r.hub, r.run, r.gauge.task.Disk)
		defer func() { r.reports.end(err != nil) }()
	}
	finished, err = r.loop(ctx)
	switch {
	case errors.Is(err, errQuit):
		return false, r.settle(ctx)
	case err != nil:
		return finished, orCause(ctx, err)
	case finished:
		r.log.finished(r.seq, r.watermark())
	default:
		r.log.committed(r.kept, r.watermark())
	}
	return finished, nil
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
		n := r.step()
		if n > 0 {
			r.drained()
			uncommitted += n
		}
		now := time.Now()
		if n == 0 || now.Sub(r.gauge.stood) >= standEvery {
			r.stand(now)
		}
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
		if Closed(r.stop) {
			if err := r.flush(ctx); err != nil {
				return false, err
			}
			return false, r.commit(ctx)
		}
		if now.Sub(committed) >= r.opts.CommitInterval || uncommitted >= mostUncommitted || n == 0 && r.hurry {
			if err := r.commit(ctx); err != nil {
				return false, err
			}
			committed, uncommitted, r.hurry = time.Now(), 0, false
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

// mostUncommitted records are merged before a commit comes early: what they change has
// to stay in memory until then, at any speed.
const mostUncommitted = 200_000

// Closed tells whether a channel is closed that nothing is sent to.
func Closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
