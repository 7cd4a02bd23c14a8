package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Operators are those of a stream that does not run: they are constructed from its
// config, to look at state.
type Operators struct{ in *input }

// WithOperators constructs the operators of the config of a stream, whose input is a
// stateful_kafka, and runs do with them. Variables come from lookup. Nothing of the stream
// runs, and Kafka is not asked.
//
// Benthos constructs a processor only as part of a stream, which knows resources, labels
// and paths. So a stream is run whose input of that name is another one: it does what is
// asked of it and says that its input has come to its end.
func WithOperators(ctx context.Context, config string, lookup func(string) (string, bool), do func(*Operators) error) error {
	result := errors.New("the stream has no input stateful_kafka")
	env := service.GlobalEnvironment().Clone()
	if err := env.RegisterBatchInput(inputName, spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		in, err := newInput(conf, res)
		if err != nil {
			result = err // better than what Benthos makes of it
			return nil, err
		}
		return &visit{input: in, do: func() { result = do(&Operators{in}) }}, nil
	}); err != nil {
		return err
	}
	b := env.NewStreamBuilder()
	b.SetEnvVarLookupFunc(lookup)
	b.SetPrintLogger(silence{})
	if err := b.SetYAML(config); err != nil {
		return err
	}
	s, err := b.Build()
	if err != nil {
		return err
	}
	// Do ends with ctx; what it has come to is known when the stream is over.
	err = s.Run(context.WithoutCancel(ctx))
	if result != nil {
		return result
	}
	return err
}

// visit is an input that does something once and has nothing to read.
type visit struct {
	*input
	do func()
}

// Connect does it.
func (v *visit) Connect(context.Context) error {
	v.do()
	return service.ErrEndOfInput
}

// silence drops what a stream logs.
type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}

// Labels are those of the operators that remember something.
func (o *Operators) Labels() (labels []string) {
	for _, s := range o.in.sample.chain.Operators() {
		if _, ok := s.Op.(task.Inspector); ok {
			labels = append(labels, s.Label)
		}
	}
	return labels
}

// Check makes sure that there is an operator with the label which remembers something.
func (o *Operators) Check(label string) error {
	_, err := find(o.in.sample.chain, label)
	if err != nil {
		return fmt.Errorf("%w; those that remember something: %s", err, strings.Join(o.Labels(), ", "))
	}
	return nil
}

// HomeOf is the task in which the operator has a key, and no other has it, where records
// are partitioned as Kafka's clients do by default and the key is theirs; false where an
// operator may have other keys.
func (o *Operators) HomeOf(label, key string, tasks int32) (home int32, ok bool) {
	s, err := find(o.in.sample.chain, label)
	if err != nil {
		return 0, false
	}
	if _, ok = s.Op.(task.Colocated); !ok || key == "" {
		return 0, false
	}
	p := kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: []byte(key)}, int(tasks))
	return int32(p), true
}

// Inspect says in words what the operator with the label remembers of a key in a copy of
// a task's state, nothing where that is nothing. It is done once with a copy.
func (o *Operators) Inspect(ctx context.Context, s *StateCopy, label, key string) (lines []string, err error) {
	if s.Standing == nil {
		return nil, nil
	}
	tools, err := o.in.newTools(s.local)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tools.ops.Close(context.WithoutCancel(ctx))) }()
	stage, err := find(tools.chain, label)
	if err != nil {
		return nil, err
	}
	if err := stage.Op.Restore(); err != nil {
		return nil, fmt.Errorf("restore %s: %w", label, err)
	}
	w := event.MinTime
	if s.Standing.HasWatermark {
		w = s.Standing.Watermark
	}
	if lines, err = stage.Op.(task.Inspector).Inspect(key, w); err != nil {
		return nil, fmt.Errorf("%s: %w", label, err)
	}
	return lines, s.local.Err()
}

// find is the operator with a label, which remembers something.
func find(chain *task.Chain, label string) (task.Stage, error) {
	for _, s := range chain.Operators() {
		if s.Label != label {
			continue
		}
		if _, ok := s.Op.(task.Inspector); !ok {
			return s, fmt.Errorf("operator %q remembers nothing", label)
		}
		return s, nil
	}
	return task.Stage{}, fmt.Errorf("the stream has no operator %q", label)
}
