package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/group"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

func init() {
	service.MustRegisterBatchInput(inputName, spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		return newInput(conf, res)
	})
}

// inputName is what the input is called in configs.
const inputName = "stateful_kafka"

// input is the Benthos face of the tasks of one stream.
type input struct {
	cfg  config
	conf *service.ParsedConfig
	log  *service.Logger
	hub  *host.Hub
	line *line
	// stream has the figures of the stream.
	stream *meter.Stream
	// cache is shared by the tasks' local stores.
	cache *state.Cache

	// sample are operators that no task uses. They are made by the constructor, so that
	// what is wrong with them is said before anything runs.
	sample *tools
	// defined is what the state of the operators depends on, the same for every task.
	defined []task.Defined

	instance atomic.Pointer[group.Instance] // of a static member, nil for others

	mu      sync.Mutex // guards what follows
	outage  outage
	cluster *cluster
	tasks   *tasks
	stop    context.CancelFunc
	helpers sync.WaitGroup

	ended  chan struct{} // closed when a bounded run is over
	closed chan struct{} // closed when Close begins
	gone   chan struct{} // closed when it is done
	out    chan host.Batch
}

// tools are the operators of one run of a task, bound into a chain.
type tools struct {
	ops   *host.Operators
	chain *task.Chain
	end   task.Shape // what leaves the chain
}

func newInput(conf *service.ParsedConfig, res *service.Resources) (*input, error) {
	cfg, err := parse(conf)
	if err != nil {
		return nil, err
	}
	in := &input{
		cfg: cfg, conf: conf, log: res.Logger().With("stream", cfg.group), hub: host.HubOf(res), line: lineOf(res), cache: state.NewCache(cfg.cacheSize),
		ended: make(chan struct{}), closed: make(chan struct{}), gone: make(chan struct{}), out: make(chan host.Batch),
	}
	in.hub.Open()
	if in.sample, err = in.newTools(state.NewMemory()); err != nil {
		return nil, err
	}
	in.defined = in.sample.chain.Defined()
	if err := host.CheckDropState(cfg.dropState, in.defined); err != nil {
		return nil, err
	}
	return in, nil
}

// newTools constructs the operators of one run, with their state in a store.
func (in *input) newTools(store state.Backend) (*tools, error) {
	ops, err := in.hub.Build(in.conf, store, host.FieldProcessors)
	if err != nil {
		return nil, err
	}
	var shape task.Shape
	for _, t := range in.cfg.topics {
		shape.Schemas = append(shape.Schemas, task.Known{Topic: t})
	}
	chain, end, err := task.NewChain(host.WithDecoder(ops.Stages), shape)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", host.FieldProcessors, err)
	}
	return &tools{ops, chain, end}, nil
}

// Connect finds the topics and joins the consumer group, which assigns tasks. It is
// called again until it succeeds, and then no more.
func (in *input) Connect(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.tasks != nil {
		return nil
	}
	if err := in.line.turn(ctx, in); err != nil {
		return err
	}
	err := in.outage.bridge(ctx, func() (err error) {
		in.cluster, err = connect(ctx, in.cfg, in.log)
		return err
	})
	if err == nil {
		if err = in.join(); err != nil {
			in.cluster.close()
		}
	}
	if host.Refused(err) {
		in.fail(err)
		return service.ErrEndOfInput
	}
	return err
}

func (in *input) join() (err error) {
	id := in.cfg.instance
	if id == "" && in.cfg.stateDir != "" {
		i := in.instance.Load() // from the input before, or of an attempt before
		if i == nil {
			if i, err = group.TakeInstance(filepath.Join(in.cfg.stateDir, in.cfg.group)); err != nil {
				return host.Refuse("%s: %w", fieldStateDir, err)
			}
			in.instance.Store(i)
		}
		id = i.ID()
	}
	in.stream = meter.Process.Stream(in.cfg.group)
	if in.tasks, err = joinGroup(in, in.cluster, id); err != nil {
		return host.Refuse("%s: %w", fieldGroup, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	in.stop = stop
	in.helpers.Go(func() { in.cluster.confirmEnds(ctx) })
	in.helpers.Go(func() { in.cluster.lookAtEnds(ctx) })
	if in.cfg.stopAtEnd {
		in.helpers.Go(func() {
			if in.tasks.finished(ctx) {
				in.finish()
			}
		})
	}
	return nil
}

// fail stops the stream for good. What befalls an input that is closed already, or has
// a successor which fences it, is no failure of the stream, whose hub the two share.
func (in *input) fail(err error) {
	select {
	case <-in.closed:
		in.log.With("error", err).Warn("The stream fails after its end")
	default:
		if in.line.over(in) {
			in.log.With("error", err).Warn("The stream fails after another has taken its place")
			return
		}
		in.hub.Fail(err)
	}
}

// finish tells the account of a bounded run.
func (in *input) finish() {
	s := host.Summary{Stream: in.cfg.group, Lines: in.tasks.accounts()}
	for _, l := range s.Lines {
		if !l.Counts.Balanced() {
			in.log.With("operator", l.Operator, "topic", l.Topic, "counts", l.Counts).Error("The account does not add up")
		}
	}
	in.log.Info("Stream has read its input to the end")
	in.hub.Finish(s)
	close(in.ended)
}

// ReadBatch hands out what the tasks emit. At the end of a bounded run, and after
// an error that no retry can mend, it ends the stream.
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

// Close ends the tasks. Nobody reads what they still emit: what is not committed is
// emitted again by the next run.
func (in *input) Close(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.closed:
		return nil
	default:
		close(in.closed)
	}
	defer in.line.leave(in)
	errs := []error{in.sample.ops.Close(ctx)}
	if in.tasks != nil {
		in.stop()
		in.tasks.close()
		in.helpers.Wait()
		in.cluster.close()
	}
	if i := in.instance.Load(); i != nil {
		errs = append(errs, i.Release())
	}
	return errors.Join(errs...)
}
