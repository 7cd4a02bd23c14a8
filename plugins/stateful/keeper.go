package stateful

import (
	"context"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/fault"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// keeper commits what a task has come to: the changed state and the marker to its store,
// at once. Then the messages that led to it are acknowledged, not before: a source that
// hears nothing delivers them again, and one that was told too early never would.
type keeper struct {
	generation int64
	store      *state.Local
	cache      *state.Cache
	task       *task.Task
	queue      *queue
}

// Commit commits the changed state of the task with its place.
func (k *keeper) Commit(ctx context.Context, seq int64, checkpoint []byte) error {
	m := changelog.Marker{Generation: k.generation, Seq: seq, Checkpoint: checkpoint}
	if err := k.store.Commit(m.Append(nil)); err != nil {
		return err
	}
	k.store.Shrink(k.cache.Share())
	fault.Here(fault.BeforeAck)
	k.queue.release(ctx, k.task.Sources[0].Next())
	return nil
}

// Write has nothing to do: each commit is written.
func (k *keeper) Write() error { return k.store.Err() }

// Ended has nobody to tell: all tasks of the stream are in this process.
func (k *keeper) Ended(context.Context) error { return nil }

// feed is the view that a runner has of where its records come from: the queue gives it
// all that there is, without being asked.
type feed struct{}

func (feed) Hungry()            {}
func (feed) Confirm()           {}
func (feed) Drained(int, int64) {}
