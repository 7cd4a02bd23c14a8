package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

func init() {
	service.MustRegisterBatchInput("stateful_kafka", spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		return newInput(conf, res)
	})
}

// input is the Benthos face of the tasks of one stream.
type input struct {
	cfg  config
	conf *service.ParsedConfig
	log  *service.Logger
	hub  *host.Hub

	// first are the operators of the first task. They are made by the constructor,
	// so that what is wrong with them is said before anything runs.
	first *tools

	mu     sync.Mutex
	outage outage
	stop   context.CancelFunc
	ended  chan struct{} // closed when all tasks are over
	closed chan struct{} // closed by Close
	out    chan host.Batch
	tools  []*tools
}

// tools are the operators of one task, bound into a chain.
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
		cfg: cfg, conf: conf, log: res.Logger(), hub: host.HubOf(res),
		closed: make(chan struct{}), out: make(chan host.Batch),
	}
	in.hub.Open()
	in.first, err = in.newTools()
	return in, err
}

// newTools constructs the operators of one task.
func (in *input) newTools() (*tools, error) {
	ops, err := in.hub.Build(in.conf, state.NewMemory(), fieldProcessors)
	if err != nil {
		return nil, err
	}
	var shape task.Shape
	for _, t := range in.cfg.topics {
		shape.Schemas = append(shape.Schemas, task.Known{Topic: t})
	}
	chain, _, err := task.NewChain(host.WithDecoder(ops.Stages), shape)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fieldProcessors, err)
	}
	return &tools{ops, chain}, nil
}

// Connect finds the topics and starts a task per partition. It is called again
// until it succeeds, and then no more.
func (in *input) Connect(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended != nil {
		return nil
	}
	var src *source
	err := in.outage.bridge(ctx, func() (err error) {
		src, err = connect(ctx, in.cfg, in.log)
		return err
	})
	var config *configError
	if errors.As(err, &config) {
		in.fail(err)
		return service.ErrEndOfInput
	}
	if err != nil {
		return err
	}
	for len(in.tools) < src.partitions {
		t := in.first
		if len(in.tools) > 0 {
			if t, err = in.newTools(); err != nil {
				src.close()
				return err
			}
		}
		in.tools = append(in.tools, t)
	}
	// A generation has to be greater than all before it; as long as nothing durable
	// counts them, the clock does.
	generation := time.Now().UnixMilli()
	for p := range src.partitions {
		t := task.New(in.tools[p].chain, sources(in.cfg.topics, int32(p)), in.cfg.opts.MaxOutOfOrderness)
		run := host.TaskRun{Stream: in.cfg.group, Task: int32(p), Generation: generation}
		src.runners = append(src.runners, host.NewRunner(run, in.cfg.opts, in.hub, src.feed(p), t, in.out))
	}
	runCtx, stop := context.WithCancel(context.Background())
	in.stop, in.ended = stop, make(chan struct{})
	go in.runAll(runCtx, src)
	return nil
}

func sources(topics []string, p int32) []*task.Source {
	list := make([]*task.Source, len(topics))
	for i, t := range topics {
		list[i] = &task.Source{Topic: t, Partition: p}
	}
	return list
}

// runAll runs the tasks until they are finished, one of them fails or ctx ends.
func (in *input) runAll(ctx context.Context, src *source) {
	defer close(in.ended)
	ctx, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() { src.poll(ctx) })
	reading.Go(func() { src.confirmEnds(ctx) })

	var wg sync.WaitGroup
	errs := make([]error, len(src.runners))
	finished := make([]bool, len(src.runners))
	for i, r := range src.runners {
		wg.Go(func() {
			if finished[i], errs[i] = r.Run(ctx); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	stop()
	src.close()
	reading.Wait()

	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			in.fail(err)
			return
		}
	}
	for _, f := range finished {
		if !f {
			return
		}
	}
	in.finish(src)
}

// fail stops the stream for good. What befalls an input that is closed already, as
// when its successor fences it during a reload, is no failure of the stream, whose
// hub the two share.
func (in *input) fail(err error) {
	select {
	case <-in.closed:
		in.log.Warnf("After its end: %v", err)
	default:
		in.hub.Fail(err)
	}
}

// finish tells the account of a bounded run.
func (in *input) finish(src *source) {
	s := host.Summary{Stream: in.cfg.group}
	for _, r := range src.runners {
		s.Lines = task.MergeLines(s.Lines, r.Accounts())
	}
	for _, l := range s.Lines {
		if !l.Counts.Balanced() {
			in.log.Errorf("The account of %s for %s does not add up: %v", l.Operator, l.Topic, l.Counts)
		}
	}
	in.log.Infof("Read %s to its end", s.Stream)
	in.hub.Finish(s)
}

// ReadBatch hands out what the tasks emit. At the end of a bounded run, and after
// an error that no retry can mend, it ends the stream.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	select {
	case b := <-in.out:
		return b.Messages, in.ack(b), nil
	case <-in.ended:
		return nil, nil, service.ErrEndOfInput
	case <-in.hub.Failed():
		in.log.Errorf("Stream stops: %v", in.hub.Err())
		return nil, nil, service.ErrEndOfInput
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// retryAfter is the pause before a batch that an output refused is sent again.
const retryAfter = time.Second

// ack tells the task that a batch was taken, or sends it again.
func (in *input) ack(b host.Batch) service.AckFunc {
	return func(_ context.Context, err error) error {
		switch {
		case err == nil:
			b.Done()
		case errors.Is(err, host.ErrFenced):
			in.fail(fmt.Errorf("consumer group %s: another process has taken over: %w", in.cfg.group, err))
		default:
			in.log.Warnf("An output refused %d messages, they are sent again: %v", len(b.Messages), err)
			go in.again(b)
		}
		return nil
	}
}

func (in *input) again(b host.Batch) {
	timer := time.NewTimer(retryAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-in.closed:
		return
	}
	select {
	case in.out <- b:
	case <-in.closed:
	}
}

// Close stops the tasks. What they have not handed out is emitted again by the next run.
func (in *input) Close(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.closed:
		return nil
	default:
		close(in.closed)
	}
	if in.stop != nil {
		in.stop()
		select {
		case <-in.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if in.tools == nil {
		in.tools = []*tools{in.first}
	}
	var errs []error
	for _, t := range in.tools {
		errs = append(errs, t.ops.Close(ctx))
	}
	return errors.Join(errs...)
}
