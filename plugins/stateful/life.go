package stateful

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// life is the time in which a task is at work: as long as its stream runs, or until the
// inner input has ended. It consists of runs. Each one restores the state of the last
// commit, begins a generation and processes what the queue holds; an error ends the run
// and drops everything that it had not committed.
type life struct {
	in    *input
	log   *host.TaskLog
	task  int32
	queue *queue
	meter *meter.Task

	quit   chan struct{} // see host.Runner.Run
	once   sync.Once     // guards quit
	cancel context.CancelFunc
	over   chan struct{} // closed when the life is over; then the rest may be read

	finished bool // the inner input has ended, and all of it is emitted as final
	accounts []task.Line
}

func newLife(in *input, number int, q *queue) *life {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{
		in: in, log: host.NewTaskLog(in.log, int32(number)), task: int32(number), queue: q, meter: in.stream.Begin(int32(number)),
		quit: make(chan struct{}), cancel: cancel, over: make(chan struct{}),
	}
	go l.live(ctx)
	return l
}

// quittingTime is how long a task may take to commit and close when the stream stops.
const quittingTime = 5 * time.Second

// end ends the life. What takes too long is dropped: it was not acknowledged.
func (l *life) end() {
	l.log.Closing(host.ReasonStopped)
	l.once.Do(func() { close(l.quit) })
	timer := time.NewTimer(quittingTime)
	defer timer.Stop()
	select {
	case <-l.over:
	case <-timer.C:
		l.log.Lost("it did not close in time")
		l.cancel()
		<-l.over
	}
}

// ending tells whether the life was asked to end.
func (l *life) ending() bool {
	return host.Closed(l.quit)
}

// live runs the task until its life is over.
func (l *life) live(ctx context.Context) {
	defer close(l.over)
	defer l.meter.End()
	defer l.cancel()
	finished, refused := host.Runs(ctx, l.log, l.run, l.quit)
	l.log.Closed(reason(ctx, finished, refused))
	if refused != nil {
		l.in.fail(refused)
		return
	}
	l.finished = finished
}

// reason is why a life is over.
func reason(ctx context.Context, finished bool, refused error) string {
	switch {
	case refused != nil:
		return host.ReasonFailed
	case finished:
		return host.ReasonFinished
	case ctx.Err() != nil:
		return host.ReasonLost
	}
	return host.ReasonStopped
}

// run is one run of the task.
func (l *life) run(ctx context.Context) (finished bool, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil && !l.ending() && !host.Refused(err) {
			l.in.stream.Restarted()
		}
	}()
	cfg := &l.in.cfg
	store, err := l.in.cache.OpenDurable(cfg.fs, cfg.dir(int(l.task)), cfg.identity())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	defer l.meter.Close() // it asks the store
	at, err := readPlace(store)
	if err != nil {
		return false, err
	}
	fit, err := l.fits(store)
	if err != nil {
		return false, err
	}
	if at.checkpoint != nil {
		at.checkpoint.Lines = fit.Forget(at.checkpoint.Lines)
	}
	l.log.Restored(0)
	// No run emits anything before its generation is known to last: two that had the same
	// could not be told apart by a ledger.
	at.marker.Generation++
	if err := store.Commit(at.marker.Append(nil)); err != nil {
		return false, err
	}
	tools, err := l.in.newTools(store)
	if err != nil {
		return false, host.Refuse("%w", err)
	}
	defer func() { err = errors.Join(err, tools.ops.Close(context.WithoutCancel(ctx))) }()
	r, err := l.resume(at, store, tools)
	if err != nil {
		return false, err
	}
	l.log.Dropped(slices.Concat(fit.Reset, fit.Dropped))
	l.log.Begun(at.marker.Generation, at.marker.Seq)
	l.queue.attach(ctx, r, at.next())
	finished, err = r.Run(ctx, nil, l.quit)
	l.queue.detach()
	if err != nil && !l.ending() {
		settling, settled := context.WithTimeout(ctx, settleTime)
		defer settled()
		r.Settle(settling)
	}
	if errors.Is(err, host.ErrFenced) {
		return false, l.foreign(at.marker.Generation, err)
	}
	l.accounts = r.Accounts()
	return finished, err
}

// fits makes sure that the state is of the operators that there are. What starts afresh is
// dropped with the commit that begins the generation.
func (l *life) fits(store *state.Local) (*task.Fit, error) {
	fit, err := task.FitTo(store, l.in.defined, l.in.cfg.dropState)
	var misfit *task.Misfit
	if errors.As(err, &misfit) {
		return nil, host.Refuse("stream %s, task %d: %w", l.in.cfg.name, l.task, err)
	}
	if err != nil {
		return nil, err
	}
	return fit, fit.Apply(store)
}

// settleTime is how long a run that is over waits for what the outputs still hold of
// it, so that the next run's rows come behind.
const settleTime = 5 * time.Second

// resume readies a run: the task with the operators' state.
func (l *life) resume(at *place, store *state.Local, tools *tools) (*host.Runner, error) {
	cfg := &l.in.cfg
	src := &task.Source{Topic: cfg.name, Partition: l.task}
	src.Begin(at.next())
	t := task.New(tools.chain, []*task.Source{src}, cfg.opts.MaxOutOfOrderness)
	if at.checkpoint != nil {
		if err := t.Resume(at.checkpoint); err != nil {
			return nil, host.Refuse("stream %s, task %d: %w", cfg.name, l.task, err)
		}
	}
	k := &keeper{generation: at.marker.Generation, store: store, cache: l.in.cache, task: t, queue: l.queue}
	run := host.TaskRun{Stream: cfg.name, Task: l.task, Generation: at.marker.Generation, CommittedSeq: at.marker.Seq}
	r := host.NewRunner(run, cfg.opts, l.in.hub, feed{}, t, k, l.in.out)
	l.meter.Run(at.marker.Generation, t.Accounts(), meter.Live{Ends: l.queue.reached, Known: l.queue.reached, Disk: store.DiskUsage})
	r.Log(l.log)
	r.Meter(l.in.stream, l.meter, store.Usage)
	return r, nil
}

// foreign says what a ledger means that knows a later generation. The folder is ours
// alone, so no later run of its state can be there.
func (l *life) foreign(generation int64, err error) error {
	return host.Refuse("stream %s, task %d: rows of a generation after %d are there, of which the state in %s knows nothing: it was deleted, or another stream of this name writes to the database; `tidemark state reset` drops state and rows: %w",
		l.in.cfg.name, l.task, generation, l.in.cfg.folder(), err)
}
