package statefulkafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// place is where a run begins.
type place struct {
	offsets    map[string]int64 // of the next record, by topic
	begun      bool             // a generation has begun before
	checkpoint *task.Checkpoint // of the last commit; nil where there was none
	ordered    bool             // it is the order to replay
	fit        *task.Fit        // of the state and the operators
}

// begin is the hook of the transaction that begins a generation. Only a member of
// the group can begin one, as the transaction carries the group's metadata, and only
// where state, operators, topics and committed offsets belong together.
func (l *life) begin(ctx context.Context, cl *kgo.Client, last *changelog.Marker, local *state.Local) (*place, error) {
	if err := l.sameTopics(ctx); err != nil {
		return nil, err
	}
	at, err := l.place(ctx, last)
	if err != nil {
		return nil, err
	}
	if err := l.agree(ctx, at); err != nil {
		return nil, err
	}
	if at.fit, err = l.fits(local); err != nil {
		return nil, err
	}
	return at, l.offsets(at.offsets, noteOurs)(ctx, cl)
}

// fits makes sure that the state is of the operators that there are.
func (l *life) fits(local *state.Local) (*task.Fit, error) {
	fit, err := task.FitTo(local, l.in.defined, l.in.cfg.dropState)
	var misfit *task.Misfit
	if errors.As(err, &misfit) {
		return nil, host.Refuse("consumer group %s, task %d: %w", l.in.cfg.group, l.task, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	return fit, nil
}

// sameTopics makes sure that the topics are those that were found at the start.
func (l *life) sameTopics(ctx context.Context) error {
	found, err := l.cluster.describe(ctx)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	for _, name := range l.in.cfg.topics {
		switch t := found[name]; {
		case t.err != nil:
			return fmt.Errorf("topic %s: %w", name, t.err)
		case t.identity != l.cluster.identities[name]:
			return l.replaced(name)
		}
	}
	return nil
}

func (l *life) replaced(topic string) error {
	return host.Refuse("consumer group %s: topic %s was deleted and made anew since the state was written: `%s` computes state and rows from the new one",
		l.in.cfg.group, topic, l.replay())
}

// place finds where the last commit stands; topics that it does not know are read
// from their start, or where a replay from a time needs them.
func (l *life) place(ctx context.Context, last *changelog.Marker) (*place, error) {
	at := &place{offsets: map[string]int64{}, begun: last != nil}
	if last != nil && len(last.Checkpoint) > 0 {
		c, err := task.ReadCheckpoint(last.Checkpoint)
		if err != nil {
			return nil, err
		}
		at.checkpoint, at.ordered = c, c.IsOrder()
		for _, s := range c.Position.Sources {
			if id := l.cluster.identities[s.Topic]; id != "" && id != s.Identity {
				return nil, l.replaced(s.Topic)
			}
			at.offsets[s.Topic] = s.Offset
		}
	}
	starts, err := l.starts(ctx, at.checkpoint)
	if err := errors.Join(err, starts.Error()); err != nil {
		return nil, fmt.Errorf("list start offsets: %w", err)
	}
	for _, topic := range l.in.cfg.topics {
		if _, known := at.offsets[topic]; !known {
			start, _ := starts.Lookup(topic, l.task)
			at.offsets[topic] = start.Offset
		}
	}
	return at, nil
}

// starts are the offsets from which topics are read that the checkpoint does not know: the
// first ones, or where a replay from a time has to begin.
func (l *life) starts(ctx context.Context, c *task.Checkpoint) (kadm.ListedOffsets, error) {
	admin, end := l.cluster.admin, l.in.sample.end
	if c == nil || !c.IsOrder() {
		return admin.ListStartOffsets(ctx, l.in.cfg.topics...)
	}
	c.Begin(end.Delay)
	// What a row is made of may lie as far back as the operators reach, and in the log, by
	// disorder, somewhat behind events that are later.
	from := c.From.Add(-end.Reach).Add(-l.in.cfg.opts.MaxOutOfOrderness)
	if from <= 0 {
		return admin.ListStartOffsets(ctx, l.in.cfg.topics...)
	}
	return admin.ListOffsetsAfterMilli(ctx, int64(from), l.in.cfg.topics...)
}

// agree makes sure that the offsets of the consumer group are those of the state:
// every commit writes both at once, so others were set from outside, or the state
// is gone. Offsets that are missing have expired, and say nothing.
//
// A broker that stops just after it has confirmed a commit may carry out a part of it
// only. Then the group's offsets are of another commit of ours, and the state stands: it
// says by itself what it has counted, and the next commit writes both again.
func (l *life) agree(ctx context.Context, at *place) error {
	committed, err := l.member.Fetch(ctx)
	if err != nil {
		return fmt.Errorf("fetch the group's offsets: %w", err)
	}
	for _, topic := range l.in.cfg.topics {
		c, ok := committed.Lookup(topic, l.task)
		have := at.offsets[topic]
		switch {
		case !ok || c.At == have:
		case at.checkpoint == nil && c.At < have: // the start of the topic has moved on
		case at.ordered: // of a replay that has just begun
		case at.begun && isOurs(c.Metadata):
			l.log.Torn(topic, c.At, have)
		case at.checkpoint == nil:
			return host.Refuse("consumer group %s stands at offset %d of %s/%d, but its changelog %s has no state: `%s` computes state and rows from the start",
				l.in.cfg.group, c.At, topic, l.task, changelog.Topic(l.in.cfg.group), l.replay())
		default:
			return host.Refuse("consumer group %s: the offset of %s/%d was set to %d from outside, the state stands at %d: `%s` moves offsets, state and rows together",
				l.in.cfg.group, topic, l.task, c.At, have, l.replay())
		}
	}
	return nil
}

// replay is the command that computes all of the stream anew.
func (l *life) replay() string {
	return "tidemark replay --from earliest --consumer-group " + l.in.cfg.group
}
