package stateful

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

func init() {
	service.MustRegisterBatchInput("stateful", spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		return newInput(conf, res)
	})
}

// input is the Benthos face of the tasks of one stream.
type input struct {
	cfg   config
	conf  *service.ParsedConfig
	log   *service.Logger
	hub   *host.Hub
	cache *state.Cache // shared by the tasks

	// sample are operators that no task uses. They are made by the constructor, so that
	// what is wrong with them is said before anything runs.
	sample *tools
	// defined is what the state of the operators depends on, the same for every task.
	defined []task.Defined
	source  source
	stream  *meter.Stream // has the figures of the stream

	mu     sync.Mutex // guards what follows
	folder io.Closer  // the lock of the stream's folder
	lives  []*life
	stop   context.CancelFunc // of what follows
	work   sync.WaitGroup

	ended  chan struct{} // closed when the inner input has ended and everything is emitted
	closed chan struct{} // closed by Close
	out    chan host.Batch
}

// tools are the operators of one run of a task, bound into a chain.
type tools struct {
	ops   *host.Operators
	chain *task.Chain
}

func newInput(conf *service.ParsedConfig, res *service.Resources) (*input, error) {
	cfg, err := parse(conf)
	if err != nil {
		return nil, err
	}
	in := &input{
		cfg: cfg, conf: conf, log: res.Logger().With("stream", cfg.name), hub: host.HubOf(res), cache: state.NewCache(cfg.cacheSize),
		ended: make(chan struct{}), closed: make(chan struct{}), out: make(chan host.Batch),
	}
	in.hub.Open()
	if in.sample, err = in.newTools(state.NewMemory()); err != nil {
		return nil, err
	}
	in.defined = in.sample.chain.Defined()
	err = host.CheckDropState(cfg.dropState, in.defined)
	var inner *service.OwnedInput
	if err == nil {
		inner, err = conf.FieldInput(fieldInput)
	}
	if err != nil {
		return nil, errors.Join(err, in.sample.ops.Close(context.Background()))
	}
	in.source = inner
	return in, nil
}

// newTools constructs the operators of one run, with their state in a store.
func (in *input) newTools(store state.Backend) (*tools, error) {
	ops, err := in.hub.Build(in.conf, store, host.FieldProcessors)
	if err != nil {
		return nil, err
	}
	chain, _, err := task.NewChain(host.WithDecoder(ops.Stages), task.Shape{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", host.FieldProcessors, err), ops.Close(context.Background()))
	}
	return &tools{ops, chain}, nil
}

// Connect takes the folder of the stream, and starts its tasks and its inner input.
func (in *input) Connect(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stop != nil {
		return nil
	}
	err := in.start(ctx)
	if host.Refused(err) {
		in.fail(err)
		return service.ErrEndOfInput
	}
	return err
}

func (in *input) start(ctx context.Context) (err error) {
	folder, err := in.lock(ctx)
	if err != nil {
		return err
	}
	next, err := in.positions()
	if err != nil {
		return errors.Join(err, folder.Close())
	}
	r := &reader{
		source: in.source, extract: in.cfg.extractor(), flight: newFlight(in.cfg.maxInFlight),
		maxFuture: in.cfg.opts.MaxFuture, log: in.log, seen: event.MinTime,
	}
	in.folder, in.stream = folder, meter.Process.Stream(in.cfg.name)
	for i, n := range next {
		q := newQueue(n)
		r.queues = append(r.queues, q)
		in.lives = append(in.lives, newLife(in, i, q))
	}
	var reading context.Context
	reading, in.stop = context.WithCancel(context.Background())
	in.work.Go(func() { in.read(reading, r) })
	return nil
}

// read reads the inner input, and waits for the end of the tasks when it has ended.
func (in *input) read(ctx context.Context, r *reader) {
	ended, err := r.run(ctx)
	if err != nil {
		in.fail(fmt.Errorf("%s: %w", fieldInput, err))
		return
	}
	if !ended || in.hub.Err() != nil { // a part that fails ends like one that has read all
		return
	}
	for _, q := range r.queues {
		q.end()
	}
	for _, l := range in.lives {
		select {
		case <-l.over:
		case <-ctx.Done():
			return
		}
		if !l.finished {
			return
		}
	}
	in.finish()
}

// fail stops the stream for good. What befalls an input that is closed already is no
// failure of the stream, whose hub it shares with its successor.
func (in *input) fail(err error) {
	select {
	case <-in.closed:
		in.log.With("error", err).Warn("The stream fails after its end")
	default:
		in.hub.Fail(err)
	}
}

// finish tells the account of a stream whose inner input has ended.
func (in *input) finish() {
	s := host.Summary{Stream: in.cfg.name}
	for _, l := range in.lives {
		s.Lines = task.MergeLines(s.Lines, l.accounts)
	}
	for _, l := range s.Lines {
		if !l.Counts.Balanced() {
			in.log.With("operator", l.Operator, "topic", l.Topic, "counts", l.Counts).Error("The account does not add up")
		}
	}
	in.log.Info("Stream has read its input to the end")
	in.hub.Finish(s)
	close(in.ended)
}

// ReadBatch hands out what the tasks emit. At the end of the inner input, and after an
// error that no retry can mend, it ends the stream.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	select {
	case b := <-in.out:
		return b.Messages, func(_ context.Context, err error) error { b.Done(err); return nil }, nil
	case <-in.ended:
		return nil, nil, service.ErrEndOfInput
	case <-in.hub.Failed():
		in.log.With("error", in.hub.Err()).Error("Stream stops")
		return nil, nil, service.ErrEndOfInput
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// errStopped is what the source hears of messages that no task has committed.
var errStopped = errors.New("the stream stopped before it had committed the message")

// closingTime is how long the inner input may take to close.
const closingTime = 5 * time.Second

// Close ends the tasks and the inner input. Nobody reads what the tasks still emit: they
// commit what the outputs have taken, and everything else is refused, so that its source
// delivers it to the next run. An inner input closes when it has an answer for every
// message, so it comes last.
func (in *input) Close(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.closed:
		return nil
	default:
		close(in.closed)
	}
	errs := []error{in.sample.ops.Close(ctx)}
	if in.stop == nil {
		in.touch()
		errs = append(errs, in.closeSource(ctx))
	} else {
		in.stop()
		in.work.Wait()
		var ends sync.WaitGroup
		for _, l := range in.lives {
			ends.Go(l.end)
		}
		ends.Wait()
		for _, l := range in.lives {
			l.queue.abandon(ctx, errStopped)
		}
		errs = append(errs, in.closeSource(ctx), in.folder.Close())
	}
	return errors.Join(errs...)
}

// touch starts an inner input that is to be closed: one that was never started does not
// close, and may have opened something all the same, as a web server its port.
func (in *input) touch() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, ack, err := in.source.ReadBatch(ctx); err == nil {
		if err := ack(ctx, errStopped); err != nil {
			in.log.With("error", err).Debug("The inner input does not take its message back")
		}
	}
}

func (in *input) closeSource(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	if err := in.source.Close(ctx); err != nil {
		return fmt.Errorf("the inner input does not close within %v: %w", closingTime, err)
	}
	return nil
}
