package host

import (
	"context"
	"errors"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// standalone runs one operator without a stateful input, for `tidemark test`. State
// is kept from batch to batch. The watermark is the largest event time so far, or
// what the operator before says it is; each batch ends with a flush. Rejected
// events are the dead letters that a host would make of them.
type standalone struct {
	stage     task.Stage
	owned     *Operators // the processors that it runs
	chain     *task.Chain
	shape     task.Shape
	rows      *Rows
	watermark event.Time
	ready     chan struct{} // see task.Preparer
}

func newStandalone(s task.Stage, owned *Operators) *standalone {
	return &standalone{stage: s, owned: owned, rows: NewRows(), watermark: event.MinTime, ready: make(chan struct{}, 1)}
}

func (s *standalone) ProcessBatch(ctx context.Context, batch service.MessageBatch) ([]service.MessageBatch, error) {
	var sink task.Sink
	var out service.MessageBatch
	for _, m := range batch {
		if kind, _ := m.MetaGet(MetaKind); kind == KindDeadLetter {
			out = append(out, m)
			continue
		}
		r, err := s.rows.FromMessage(m)
		if err != nil {
			return nil, err
		}
		if err := s.bind(m); err != nil {
			return nil, err
		}
		s.watermark = max(s.watermark, r.Watermark)
		if r.Watermark == event.MinTime {
			s.watermark = max(s.watermark, r.Time)
		}
		r.Watermark = s.watermark
		if err := s.prepare(ctx, r.Source); err != nil {
			return nil, err
		}
		s.chain.Process([]event.Row{r}, &sink)
	}
	if s.chain != nil {
		s.chain.Advance(s.watermark, &sink)
		for s.chain.Flush(s.watermark, &sink) {
		}
	}
	for i := range sink.Rows {
		m := outgoing(&sink.Rows[i])
		m.MetaSetMut(metaDelay, int64(s.shape.Delay))
		out = append(out, m)
	}
	for i := range sink.Rejects {
		out = append(out, DeadLetter(&sink.Rejects[i]))
	}
	if len(out) == 0 {
		return nil, nil
	}
	return []service.MessageBatch{out}, nil
}

func (s *standalone) bind(first *service.Message) error {
	if s.chain != nil {
		return nil
	}
	delay, _, err := metaInt(first, metaDelay)
	if err != nil {
		return err
	}
	s.chain, s.shape, err = task.NewChain([]task.Stage{s.stage}, task.Shape{Delay: event.Duration(delay)})
	if err == nil {
		s.chain.Notify(func() {
			select {
			case s.ready <- struct{}{}:
			default:
			}
		})
	}
	return err
}

// prepare waits until the operator has what a record needs.
func (s *standalone) prepare(ctx context.Context, from *event.Source) error {
	for from != nil && !s.chain.Prepare(from.Value) {
		select {
		case <-s.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *standalone) Close(ctx context.Context) error {
	return errors.Join(closeOperator(s.stage.Op), s.owned.Close(ctx))
}
