package host

import (
	"context"
	"slices"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// stock runs processors of Benthos between native operators. Only here do events
// become messages on their way through a task.
type stock struct {
	task.Stateless
	procs []*service.OwnedProcessor
	rows  *Rows
}

func newStock(procs []*service.OwnedProcessor) *stock { return &stock{procs: procs, rows: NewRows()} }

// Bind knows nothing of what the processors will make of the events.
func (s *stock) Bind(in task.Shape) (task.Shape, error) {
	return task.Shape{Delay: in.Delay, Reach: in.Reach}, nil
}

func (s *stock) Process(rows []event.Row, out *task.Output) {
	copies := task.Sink{Rows: slices.Clone(rows)}
	copies.Own() // rows are borrowed, and a processor may keep what it is given
	batch := make(service.MessageBatch, len(rows))
	for i := range batch {
		batch[i] = ToMessage(&copies.Rows[i])
	}
	// The processors answer at once or block; nothing here may be cut short.
	batches, err := service.ExecuteProcessors(context.Background(), s.procs, batch)
	if err != nil {
		for i := range rows {
			out.Reject(&rows[i], task.Invalid, err.Error())
		}
		return
	}
	for _, b := range batches {
		for _, m := range b {
			r, err := s.rows.FromMessage(m)
			if failed := m.GetError(); failed != nil {
				err = failed
			}
			if err != nil {
				out.Reject(&r, task.Invalid, err.Error())
				continue
			}
			out.Emit(r)
		}
	}
}

// Foreign tells that events may vanish here without an account.
func (s *stock) Foreign() {}
