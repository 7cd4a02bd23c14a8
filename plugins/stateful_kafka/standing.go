package statefulkafka

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Standing is where a task stood at its last commit.
type Standing struct {
	Generation int64
	Seq        int64 // of the last emission that is committed
	// Watermark is that of the task, where it HasWatermark: it has seen a record.
	Watermark    event.Time
	HasWatermark bool
	// Sources are the positions in the topics; none where nothing was committed yet but
	// that the task has begun.
	Sources []task.SourcePosition
}

// Tasks is the number of tasks whose state the changelog of a consumer group is for, 0
// where there is no changelog.
func Tasks(ctx context.Context, cl *kgo.Client, group string) (int32, error) {
	n, _, err := changelog.Partitions(ctx, cl, group)
	return n, err
}

// LastStanding reads where a task stood at its last commit, nil where it has never begun.
// It reads the end of the changelog and disturbs nobody.
func LastStanding(ctx context.Context, cl *kgo.Client, group string, task int32) (*Standing, error) {
	m, err := changelog.Last(ctx, logConfig(cl, group, task))
	if err != nil {
		return nil, err
	}
	return standingOf(m)
}

// logConfig names the changelog of a task, for a client of its brokers.
func logConfig(cl *kgo.Client, group string, task int32) changelog.Config {
	return changelog.Config{
		Topic: changelog.Topic(group), Partition: task, TransactionalID: transactionalID(group, task),
		KgoOpts: cl.Opts(), Now: time.Now,
	}
}

func standingOf(m *changelog.Marker) (*Standing, error) {
	if m == nil {
		return nil, nil
	}
	s := &Standing{Generation: m.Generation, Seq: m.Seq}
	if len(m.Checkpoint) > 0 {
		c, err := task.ReadCheckpoint(m.Checkpoint)
		if err != nil {
			return nil, err
		}
		s.Watermark, s.HasWatermark, s.Sources = c.Position.Watermark, c.Position.SeenRecord, c.Position.Sources
	}
	return s, nil
}

// StateCopy is a copy of the state of a task in a temporary folder.
type StateCopy struct {
	// Standing is that of the commit whose state it is; nil where there is none.
	Standing *Standing

	cfg   changelog.Config
	local *state.Local
	dir   string
}

// scratchCache is the memory of a copy.
const scratchCache = 8 << 20

// CopyState reads all of the changelog of a task, and disturbs nobody. The copy has to be
// closed.
func CopyState(ctx context.Context, cl *kgo.Client, group string, task int32) (_ *StateCopy, err error) {
	s := &StateCopy{cfg: logConfig(cl, group, task)}
	if s.dir, err = os.MkdirTemp("", "tidemark-state-"); err != nil {
		return nil, err
	}
	if err = s.fill(ctx, cl, group); err != nil {
		_ = s.Close() // its error is no news
		return nil, err
	}
	return s, nil
}

func (s *StateCopy) fill(ctx context.Context, cl *kgo.Client, group string) error {
	_, identity, err := changelog.Partitions(ctx, cl, group)
	if err != nil {
		return err
	}
	if s.local, err = state.OpenLocal(vfs.Default, s.dir, identity, scratchCache); err != nil {
		return err
	}
	s.cfg.Local = s.local
	m, err := changelog.Copy(ctx, s.cfg)
	if err != nil {
		return err
	}
	s.Standing, err = standingOf(m)
	return err
}

// Close removes the copy.
func (s *StateCopy) Close() (err error) {
	if s.local != nil {
		err = s.local.Close()
	}
	if removed := os.RemoveAll(s.dir); err == nil {
		err = removed
	}
	return err
}

// OperatorSize is what an operator of a task has stored.
type OperatorSize struct {
	Operator string
	Keys     int64
	Bytes    int64 // of the keys and their values
}

// Sizes are those of the operators that have stored something, by label.
func (s *StateCopy) Sizes() (sizes []OperatorSize, err error) {
	err = s.local.Stored("", func(key, value []byte) error {
		label, _, _, err := state.Split(key)
		if err != nil {
			return fmt.Errorf("key %x: %w", key, err)
		}
		if n := len(sizes); n == 0 || sizes[n-1].Operator != label {
			sizes = append(sizes, OperatorSize{Operator: label}) // keys of a label lie together
		}
		o := &sizes[len(sizes)-1]
		o.Keys++
		o.Bytes += int64(len(key) + len(value))
		return nil
	})
	return sizes, err
}
