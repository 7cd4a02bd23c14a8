package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Env is what an operator's constructor is given beside its config.
type Env struct {
	// Label names the operator within its stream.
	Label string
	// Store is where its state goes.
	Store state.Store
	// Stages builds the processors of a field of conf as stages of an inner chain.
	Stages func(conf *service.ParsedConfig, field ...string) ([]task.Stage, error)
}

// OperatorConstructor makes an operator from its config. It opens nothing.
type OperatorConstructor func(conf *service.ParsedConfig, env Env) (task.Operator, error)

// MustRegisterOperator adds a native operator to Benthos as a processor. Inside a
// stateful input one is made per task and driven by the host. In `tidemark test`,
// where there is no input, it runs by itself on state in memory. Anywhere else it is refused.
func MustRegisterOperator(name string, spec *service.ConfigSpec, ctor OperatorConstructor) {
	service.MustRegisterBatchProcessor(name, spec, func(conf *service.ParsedConfig, res *service.Resources) (service.BatchProcessor, error) {
		hub := HubOf(res)
		b := hub.building.Load()
		path := res.Path()
		switch {
		case b != nil:
			at, err := b.place(path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", describe(name, res), err)
			}
			label := res.Label()
			if label == "" {
				label = name + "_" + b.number(at)
			}
			op, err := ctor(conf, b.env(hub, label, at))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", label, err)
			}
			reset, err := resets(conf)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", label, err)
			}
			b.native[at] = task.Stage{Label: label, Op: op, Reset: reset}
			return hosted{op}, nil
		case len(path) > 0: // only `tidemark test` makes processors that stand nowhere
			return nil, fmt.Errorf("%s: a stateful operator belongs in the field processors of a stateful input (input.stateful_kafka.processors or input.stateful.processors), not in %s",
				describe(name, res), strings.Join(path, "."))
		}
		label := res.Label()
		if label == "" {
			label = name
		}
		inner := &Operators{}
		b = &builder{store: state.NewMemory(), native: map[int]task.Stage{}, owned: &inner.owned}
		op, err := ctor(conf, b.env(hub, label, 0))
		if err != nil {
			return nil, err
		}
		return newStandalone(task.Stage{Label: label, Op: op}, inner), nil
	})
}

func describe(name string, res *service.Resources) string {
	if l := res.Label(); l != "" {
		return fmt.Sprintf("processor %s %q", name, l)
	}
	return "processor " + name
}

// hosted stands in Benthos' place of an operator that the host drives.
type hosted struct{ op task.Operator }

var errHosted = errors.New("a hosted operator is driven by its task")

func (hosted) ProcessBatch(context.Context, service.MessageBatch) ([]service.MessageBatch, error) {
	return nil, errHosted
}

// Close closes an operator that has something outside its task.
func (h hosted) Close(context.Context) error { return closeOperator(h.op) }

func closeOperator(op task.Operator) error {
	if c, ok := op.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// builder collects the native operators that announce themselves while Benthos
// constructs a list of processors.
type builder struct {
	prefix []string // path of the list
	name   []string // numbers of the lists around this one
	store  state.Backend
	native map[int]task.Stage
	owned  *[]*service.OwnedProcessor
}

// place is the position in the list of a processor with this path.
func (b *builder) place(path []string) (int, error) {
	if len(path) > len(b.prefix) && slices.Equal(path[:len(b.prefix)], b.prefix) {
		rest := path[len(b.prefix):]
		if i, err := strconv.Atoi(rest[0]); err == nil && len(rest) <= 2 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("a stateful operator stands directly in the processors of a stateful input or of fan_out, not inside another processor (%s)", strings.Join(path, "."))
}

func (b *builder) number(at int) string {
	return strings.Join(append(slices.Clone(b.name), strconv.Itoa(at)), "_")
}

func (b *builder) env(hub *Hub, label string, at int) Env {
	lists := 0
	return Env{
		Label: label, Store: b.store.Operator(label),
		Stages: func(conf *service.ParsedConfig, field ...string) ([]task.Stage, error) {
			inner := &builder{
				prefix: append(slices.Clone(conf.Resources().Path()), field...),
				name:   append(slices.Clone(b.name), strconv.Itoa(at), strconv.Itoa(lists)),
				store:  b.store, native: map[int]task.Stage{}, owned: b.owned,
			}
			lists++
			return inner.stages(hub, conf, field...)
		},
	}
}

// stages constructs the list and puts native operators and runs of stock
// processors in their order.
func (b *builder) stages(hub *Hub, conf *service.ParsedConfig, field ...string) ([]task.Stage, error) {
	outer := hub.building.Swap(b)
	procs, err := conf.FieldProcessorList(field...)
	hub.building.Store(outer)
	if err != nil {
		return nil, err
	}
	var stages []task.Stage
	var stock []*service.OwnedProcessor
	end := func(i int) {
		if len(stock) > 0 {
			stages = append(stages, task.Stage{Label: "processors_" + b.number(i-len(stock)), Op: newStock(stock)})
			stock = nil
		}
	}
	for i, p := range procs {
		*b.owned = append(*b.owned, p)
		if s, ok := b.native[i]; ok {
			end(i)
			stages = append(stages, s)
		} else {
			stock = append(stock, p)
		}
	}
	end(len(procs))
	return stages, nil
}

// Operators are the stages of one task and the processors that they run.
type Operators struct {
	Stages []task.Stage
	owned  []*service.OwnedProcessor
}

// Close closes the processors.
func (o *Operators) Close(ctx context.Context) error {
	var errs []error
	for _, p := range o.owned {
		errs = append(errs, p.Close(ctx))
	}
	return errors.Join(errs...)
}

// Build makes the operators of one task from the processors in a field of a stateful input.
func (h *Hub) Build(conf *service.ParsedConfig, store state.Backend, field string) (*Operators, error) {
	h.buildMu.Lock()
	defer h.buildMu.Unlock()
	o := &Operators{}
	b := &builder{
		prefix: append(slices.Clone(conf.Resources().Path()), field),
		store:  store, native: map[int]task.Stage{}, owned: &o.owned,
	}
	var err error
	o.Stages, err = b.stages(h, conf, field)
	return o, err
}
