package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/group"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// keeper commits what a task has come to: the changed state and the marker to the
// changelog, and the offsets to the consumer group, in one transaction.
type keeper struct {
	life  *life
	log   *changelog.Log
	store *localStore
	task  *task.Task
	// What was committed last: the marker, and the offsets by topic.
	last changelog.Marker
	at   map[string]int64
}

// Commit commits the changed state of the task with its place.
func (k *keeper) Commit(ctx context.Context, seq int64, checkpoint []byte) error {
	if err := k.store.Err(); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	m := changelog.Marker{Seq: seq, Checkpoint: checkpoint}
	at := map[string]int64{}
	for _, s := range k.task.Sources {
		at[s.Topic] = s.Next()
	}
	if err := k.transact(ctx, func() error {
		return k.log.Commit(ctx, k.store.Changes(), m, k.life.offsets(at, noteOurs))
	}); err != nil {
		return err
	}
	k.last, k.at = m, at
	k.store.Shrink(k.life.in.cache.Share())
	return nil
}

// Write writes the local store.
func (k *keeper) Write() error {
	if err := k.store.Write(); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	return nil
}

// Ended notes in the group's offsets that a bounded run has emitted all of the task. The
// others wait for the note, and no later commit would make up for one that the broker has
// confirmed and not carried out.
func (k *keeper) Ended(ctx context.Context) error {
	if err := k.again(ctx, noteEnded); err != nil {
		return err
	}
	for begun := time.Now(); ; {
		noted, err := k.noted(ctx)
		if noted {
			return nil
		}
		if time.Since(begun) > notedTime {
			return errors.Join(errNotNoted, err)
		}
		if err := pause(ctx, notedPause); err != nil {
			return err
		}
	}
}

const (
	// notedTime is how long a broker may take to carry out a commit that it has confirmed.
	notedTime = 10 * time.Second
	// notedPause is the time between two looks whether it has.
	notedPause = 20 * time.Millisecond
)

var errNotNoted = errors.New("the broker has confirmed the last commit, and does not carry it out")

// noted tells whether the group's offsets say that the task has ended.
func (k *keeper) noted(ctx context.Context) (bool, error) {
	committed, err := k.life.member.Fetch(ctx)
	if err != nil {
		return false, err
	}
	for topic, at := range k.at {
		if c, ok := committed.Lookup(topic, k.life.task); !ok || c.At != at || c.Metadata != noteEnded {
			return false, nil
		}
	}
	return true, nil
}

// newest tells whether nobody has fenced this run of the task.
func (k *keeper) newest(ctx context.Context) bool {
	return k.again(ctx, noteOurs) == nil
}

// again commits what was committed last, with another note.
func (k *keeper) again(ctx context.Context, note string) error {
	return k.transact(ctx, func() error { return k.log.Commit(ctx, nil, k.last, k.life.offsets(k.at, note)) })
}

// What the group's committed offsets say beside the number: that a task has committed
// them, and no tool from outside.
const (
	noteOurs  = "tidemark"
	noteEnded = "ended" // and a bounded run has emitted everything before the offset as final
)

func isOurs(note string) bool { return note == noteOurs || note == noteEnded }

// offsets is the hook that commits offsets of the task.
func (l *life) offsets(at map[string]int64, note string) changelog.Hook {
	offsets := kadm.Offsets{}
	for topic, offset := range at {
		offsets.Add(kadm.Offset{Topic: topic, Partition: l.task, At: offset, LeaderEpoch: -1, Metadata: note})
	}
	return l.member.Offsets(l.transactionalID(), offsets)
}

// generationPause is waited before a commit that was made in the middle of a
// rebalance is made again.
const generationPause = 50 * time.Millisecond

// transact commits, again and again while the group changes: the transaction was
// taken back then, and the task is ours as long as we are a member.
func (k *keeper) transact(ctx context.Context, commit func() error) error {
	for {
		err := commit()
		if !errors.Is(err, changelog.ErrAborted) || !errors.Is(err, group.ErrGeneration) {
			return err
		}
		if gone := k.life.member.Confirm(ctx); errors.Is(gone, group.ErrNotMember) {
			return gone
		}
		if err := pause(ctx, generationPause); err != nil {
			return err
		}
	}
}

// pause waits, and fails when ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
