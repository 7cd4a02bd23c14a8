package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/group"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// life is the time in which a task is ours: from the assignment to the revocation,
// or to the end of a bounded run. It consists of runs. Each one fences whoever had
// the task before, restores its state, begins a generation and processes; an error
// ends the run and drops everything that it had not committed, and the next one
// starts from what Kafka says.
type life struct {
	in      *input
	cluster *cluster
	member  *group.Member
	log     *host.TaskLog
	task    int32
	meter   *meter.Task

	stop, quit chan struct{} // see host.Runner.Run
	once       sync.Once     // guards both
	cancel     context.CancelFunc
	over       chan struct{} // closed when the life is over

	mu       sync.Mutex
	finished bool // a bounded run is over
	accounts []task.Line
}

func newLife(in *input, c *cluster, m *group.Member, p int32) *life {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{
		in: in, cluster: c, member: m, log: host.NewTaskLog(in.log, p), task: p, meter: in.stream.Begin(p),
		stop: make(chan struct{}), quit: make(chan struct{}), cancel: cancel, over: make(chan struct{}),
	}
	go l.live(ctx)
	return l
}

const (
	// closingTime is how long a task that goes to another process may take to finish,
	// commit and close. Then it is lost.
	closingTime = 20 * time.Second
	// quittingTime is the same for a process that ends: its last commit saves its
	// successor some work, no more.
	quittingTime = 5 * time.Second
)

// end ends the life: closing one of stop and quit asks for it, and what takes longer
// than the limit is dropped.
func (l *life) end(ask chan struct{}, reason string, limit time.Duration) {
	l.log.Closing(reason)
	l.once.Do(func() { close(ask) })
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-l.over:
	case <-timer.C:
		l.drop("it did not close in time")
	}
}

// drop ends the life at once.
func (l *life) drop(why string) {
	l.log.Lost(why)
	l.cancel()
	<-l.over
}

// ending tells whether the life was asked to end.
func (l *life) ending() bool {
	return host.Closed(l.stop) || host.Closed(l.quit)
}

// live runs the task until its life is over.
func (l *life) live(ctx context.Context) {
	defer close(l.over)
	defer l.meter.End()
	defer l.cancel()
	finished, refused := host.Runs(ctx, l.log, l.run, l.stop, l.quit)
	l.log.Closed(l.reason(ctx, finished, refused))
	if refused != nil {
		l.in.fail(refused)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = finished
}

// reason is why a life is over.
func (l *life) reason(ctx context.Context, finished bool, refused error) string {
	switch {
	case refused != nil:
		return host.ReasonFailed
	case finished:
		return host.ReasonFinished
	case ctx.Err() != nil:
		return host.ReasonLost
	case host.Closed(l.stop):
		return host.ReasonRevoked
	}
	return host.ReasonStopped
}

// restoring is a context that ends when the life is asked to end, since until a run
// begins there is nothing to finish.
func (l *life) restoring(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-l.stop:
		case <-l.quit:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}

// run is one run of the task.
func (l *life) run(ctx context.Context) (finished bool, err error) {
	defer func() { l.restarts(ctx, err) }()
	opening, opened := l.restoring(ctx)
	defer opened()
	if err := l.member.Confirm(opening); err != nil {
		return false, err // fencing is for whom the group names the owner
	}
	store, err := openStore(l.in.cache, l.in.cfg.fs, l.in.cfg.stateDir, l.in.cfg.group, l.task, l.cluster.changelog)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, store.close(err)) }()
	defer l.meter.Close() // it asks the store

	var at *place
	records := int64(0)
	log, last, err := changelog.Open(opening, changelog.Config{
		Brokers: l.in.cfg.brokers, Topic: changelog.Topic(l.in.cfg.group), Partition: l.task,
		TransactionalID: l.transactionalID(), Local: store.Local, KgoOpts: l.cluster.options(),
		Now: time.Now, Progress: l.progress(&records),
		Fenced: l.log.Fenced, Restored: func() { l.log.Restored(records) },
		Begin: func(ctx context.Context, cl *kgo.Client, last *changelog.Marker) (err error) {
			at, err = l.begin(ctx, cl, last, store.Local)
			return err
		},
	})
	if err != nil {
		return false, err
	}
	defer log.Close()
	if err := at.fit.Apply(store.Local); err != nil {
		return false, fmt.Errorf("%w: %w", errState, err)
	}
	tools, err := l.in.newTools(store.Local)
	if err != nil {
		return false, host.Refuse("%w", err)
	}
	defer func() { err = errors.Join(err, tools.ops.Close(context.WithoutCancel(ctx))) }()

	r, err := l.resume(at, log, last, store, tools)
	if err != nil {
		return false, err
	}
	l.log.Dropped(slices.Concat(at.fit.Reset, at.fit.Dropped))
	l.log.Begun(log.Generation(), r.keeper.last.Seq)
	opened()
	finished, err = r.drive(ctx)
	if errors.Is(err, host.ErrFenced) && r.keeper.newest(ctx) {
		return false, host.Refuse("consumer group %s, task %d: rows of a generation after %d are there, of which the changelog %s knows nothing, as if it had been deleted: `%s` computes state and rows anew: %w",
			l.in.cfg.group, l.task, log.Generation(), changelog.Topic(l.in.cfg.group), l.replay(), err)
	}
	l.mu.Lock()
	l.accounts = r.runner.Accounts()
	l.mu.Unlock()
	return finished, err
}

// running are the parts of a run that has begun.
type running struct {
	life   *life
	keeper *keeper
	source *source
	runner *host.Runner
}

// resume readies a run: the task with the operators' state, and what it reads.
func (l *life) resume(at *place, log *changelog.Log, last *changelog.Marker, store *localStore, tools *tools) (*running, error) {
	cfg := &l.in.cfg
	var sources []*task.Source
	for _, topic := range cfg.topics {
		s := &task.Source{Topic: topic, Partition: l.task, Identity: l.cluster.identities[topic]}
		s.Begin(at.offsets[topic])
		sources = append(sources, s)
	}
	t := task.New(tools.chain, sources, cfg.opts.MaxOutOfOrderness)
	k := &keeper{life: l, log: log, store: store, task: t, at: at.offsets}
	if last != nil {
		k.last = *last
	}
	if at.checkpoint != nil {
		at.checkpoint.Lines = at.fit.Forget(at.checkpoint.Lines)
		if err := t.Resume(at.checkpoint); err != nil {
			return nil, fmt.Errorf("%w: %w", errState, err)
		}
	}
	src, err := l.cluster.open(l.task, at.offsets)
	if err != nil {
		return nil, err
	}
	run := host.TaskRun{Stream: cfg.group, Task: l.task, Generation: log.Generation(), CommittedSeq: k.last.Seq}
	src.runner = host.NewRunner(run, cfg.opts, l.in.hub, src, t, k, l.in.out)
	src.runner.Log(l.log)
	return l.metered(&running{l, k, src, src.runner}, log.Generation()), nil
}

// settleTime is how long a run that is over waits for what the outputs still hold of
// it, so that the next run's rows come behind.
const settleTime = 5 * time.Second

// drive runs the task.
func (r *running) drive(ctx context.Context) (finished bool, err error) {
	life := ctx
	ctx, fail := context.WithCancelCause(life)
	defer fail(nil)
	reading, stop := context.WithCancel(ctx)
	var read sync.WaitGroup
	read.Go(func() {
		if err := r.source.read(reading); err != nil {
			fail(err)
		}
	})
	finished, err = r.runner.Run(ctx, r.life.stop, r.life.quit)
	stop()
	read.Wait()
	if err != nil && !r.life.ending() {
		settling, settled := context.WithTimeout(life, settleTime)
		defer settled()
		r.runner.Settle(settling)
	}
	return finished, err
}

func (l *life) transactionalID() string { return transactionalID(l.in.cfg.group, l.task) }

// transactionalID is that of the writers of a task's changelog.
func transactionalID(group string, task int32) string { return fmt.Sprintf("%s-%d", group, task) }

// progressEvery is the time between two log lines about a restore.
const progressEvery = 5 * time.Second

// progress notes how far a restore has come, and logs it if that takes long.
func (l *life) progress(records *int64) func(restored, total int64) {
	said := time.Now()
	return func(restored, total int64) {
		*records = restored
		l.meter.Restore(restored, total)
		if now := time.Now(); now.Sub(said) >= progressEvery {
			said = now
			l.log.Restoring(restored, total)
		}
	}
}
