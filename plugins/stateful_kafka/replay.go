package statefulkafka

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Written is what is known of a task's rows: the last generation, the last emission whose
// row is settled, and how far in event time no row is missing that was due. A ledger knows,
// and the changelog, whose word is newer.
type Written struct {
	Generation, CommittedSeq int64
	Watermark                time.Time // zero where it is not known
}

// Committed is what the changelog of a stream knows of the rows of its tasks; tasks that
// have committed nothing are not among them.
func Committed(ctx context.Context, cl *kgo.Client, stream string) (map[int32]Written, error) {
	tasks, err := Tasks(ctx, cl, stream)
	if err != nil {
		return nil, err
	}
	known := map[int32]Written{}
	for p := range tasks {
		m, err := changelog.Last(ctx, logConfig(cl, stream, p))
		if err != nil {
			return nil, err
		}
		if m == nil || len(m.Checkpoint) == 0 {
			continue
		}
		c, err := task.ReadCheckpoint(m.Checkpoint)
		if err != nil {
			return nil, fmt.Errorf("task %d: %w", p, err)
		}
		w := Written{Generation: m.Generation, CommittedSeq: m.Seq}
		if t := c.Settled(); t != event.MinTime {
			w.Watermark = t.UTC()
		}
		known[p] = w
	}
	return known, nil
}

// Replay orders a stream to compute its rows anew from an event time on. The stream has
// no members and no changelog; one is made with a partition for each of so many tasks.
// The tasks' next runs read the topics from as much earlier as their operators reach back,
// and emit neither rows nor rejects of before from. They go on behind what a ledger knows
// of their rows, by task, so that these stay.
//
// When it is interrupted, the changelog is deleted again before the next attempt.
func Replay(ctx context.Context, cl *kgo.Client, stream string, tasks int32, from time.Time, written map[int32]Written) error {
	identity, err := changelog.Ensure(ctx, cl, stream, tasks)
	if err != nil {
		return err
	}
	for p := range tasks {
		if err := order(ctx, cl, stream, identity, p, event.TimeOf(from), written[p]); err != nil {
			return fmt.Errorf("task %d: %w", p, err)
		}
	}
	return nil
}

// order writes the order to replay for one task.
func order(ctx context.Context, cl *kgo.Client, stream, identity string, p int32, from event.Time, w Written) error {
	local, err := state.OpenLocal(vfs.NewMem(), "order", identity, scratchCache)
	if err != nil {
		return err
	}
	defer local.Close()
	cfg := logConfig(cl, stream, p)
	cfg.Local, cfg.After = local, w.Generation
	log, _, err := changelog.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer log.Close()
	watermark := event.MinTime
	if !w.Watermark.IsZero() {
		watermark = event.TimeOf(w.Watermark)
	}
	return log.Commit(ctx, nil, changelog.Marker{Seq: w.CommittedSeq, Checkpoint: task.Order(from, watermark).Append(nil)}, nil)
}
