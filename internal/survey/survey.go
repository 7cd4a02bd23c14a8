// Package survey asks Kafka where streams stand: who has their tasks, how far these have
// come, and what they have stored.
package survey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	statefulkafka "github.com/tidemark-streams/tidemark/plugins/stateful_kafka"
)

// Stream is what Kafka knows of a stream. It is printed as JSON, where null stands
// for what is not there.
type Stream struct {
	Stream    string `json:"stream"`
	Changelog string `json:"changelog"`
	Exists    bool   `json:"exists"` // the changelog
	Tasks     []Task `json:"tasks"`
}

// Task is where a task stood at its last commit, and who has it now.
type Task struct {
	Task       int32      `json:"task"`
	Owner      *Owner     `json:"owner"`
	Lag        *int64     `json:"lag"`
	Offsets    string     `json:"offsets"`
	Watermark  *string    `json:"watermark"`
	Generation *int64     `json:"generation"`
	Seq        *int64     `json:"seq"`
	Topics     []Topic    `json:"topics"`
	Keys       *int64     `json:"keys,omitempty"`
	Bytes      *int64     `json:"bytes,omitempty"`
	Operators  []Operator `json:"operators,omitempty"`
}

// Owner is the process that has a task.
type Owner struct {
	Member string `json:"member"`
	Host   string `json:"host"`
}

// Topic is where a task stands in its partition of a topic.
type Topic struct {
	Topic     string  `json:"topic"`
	Committed *int64  `json:"committed"` // offset of the consumer group
	State     *int64  `json:"state"`     // offset that the state belongs to
	End       *int64  `json:"end"`       // offset behind the last record
	Lag       *int64  `json:"lag"`
	Newest    *string `json:"newest"` // event time that was read
}

// Operator is what an operator has stored.
type Operator struct {
	Operator string `json:"operator"`
	Keys     int64  `json:"keys"`
	Bytes    int64  `json:"bytes"`
}

// Values of Task.Offsets.
const (
	OffsetsOK      = "ok"
	OffsetsNone    = "none"    // nothing was ever read
	OffsetsExpired = "expired" // the group has none, the state has
	OffsetsMoved   = "moved"   // nobody has the task, and the group's are not the state's
)

// Survey asks Kafka about streams. Nothing is written and nobody is disturbed.
type Survey struct {
	Client *kgo.Client
	// Sizes has what is stored measured, too, for which the changelog is read as a whole.
	Sizes bool
	// Brief leaves out what only the changelog tells: generation, seq and watermark of a
	// task, and its positions. What is left takes a few requests a stream.
	Brief bool
}

// Streams are the states of consumer groups, in their order.
func (v Survey) Streams(ctx context.Context, groups []string) ([]Stream, error) {
	members, err := Members(ctx, v.Client, groups)
	if err != nil {
		return nil, err
	}
	streams := make([]Stream, len(groups))
	for i, g := range groups {
		if streams[i], err = v.stream(ctx, g, members[g]); err != nil {
			return nil, fmt.Errorf("%s: %w", g, err)
		}
	}
	return streams, nil
}

func (v Survey) stream(ctx context.Context, group string, members []kadm.DescribedGroupMember) (Stream, error) {
	s := Stream{Stream: group, Changelog: ChangelogTopic(group), Tasks: []Task{}}
	tasks, err := statefulkafka.Tasks(ctx, v.Client, group)
	if err != nil || tasks == 0 {
		return s, err
	}
	s.Exists = true
	committed, err := v.committed(ctx, group)
	if err != nil {
		return s, err
	}
	topics := map[string]bool{}
	for topic := range committed {
		topics[topic] = true
	}
	standings := make([]*statefulkafka.Standing, tasks)
	for p := range tasks {
		t := Task{Task: p, Owner: ownerOf(members, p)}
		if standings[p], err = v.task(ctx, group, &t); err != nil {
			return s, fmt.Errorf("task %d: %w", p, err)
		}
		if standings[p] != nil {
			for _, source := range standings[p].Sources {
				topics[source.Topic] = true
			}
		}
		s.Tasks = append(s.Tasks, t)
	}
	places, err := v.places(ctx, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return s, err
	}
	for i := range s.Tasks {
		places.fill(&s.Tasks[i], standings[i], committed)
	}
	return s, nil
}

// committed are the offsets of a group; those of a transaction that is not at its end are
// not among them.
func (v Survey) committed(ctx context.Context, group string) (kadm.Offsets, error) {
	resp, err := kadm.NewClient(v.Client).FetchOffsets(ctx, group)
	if err == nil {
		err = resp.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of the consumer group: %w", err)
	}
	offsets := resp.Offsets()
	offsets.DeleteFunc(func(o kadm.Offset) bool { return o.At < 0 })
	return offsets, nil
}

// task says what the changelog has of a task.
func (v Survey) task(ctx context.Context, group string, t *Task) (s *statefulkafka.Standing, err error) {
	switch {
	case v.Brief:
		return nil, nil
	case v.Sizes:
		s, err = v.measure(ctx, group, t)
	default:
		s, err = statefulkafka.LastStanding(ctx, v.Client, group, t.Task)
	}
	if err != nil || s == nil {
		return s, err
	}
	t.Generation, t.Seq = &s.Generation, &s.Seq
	if s.HasWatermark {
		t.Watermark = new(s.Watermark.String())
	}
	return s, nil
}

func (v Survey) measure(ctx context.Context, group string, t *Task) (_ *statefulkafka.Standing, err error) {
	state, err := statefulkafka.CopyState(ctx, v.Client, group, t.Task)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	sizes, err := state.Sizes()
	if err != nil {
		return nil, err
	}
	t.Keys, t.Bytes, t.Operators = new(int64), new(int64), []Operator{}
	for _, s := range sizes {
		*t.Keys += s.Keys
		*t.Bytes += s.Bytes
		t.Operators = append(t.Operators, Operator{s.Operator, s.Keys, s.Bytes})
	}
	return state.Standing, nil
}

// ownerOf is the member that partition p of any topic is assigned to, nil for none.
func ownerOf(members []kadm.DescribedGroupMember, p int32) *Owner {
	for _, m := range members {
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, t := range assigned.Topics {
			if slices.Contains(t.Partitions, p) {
				return &Owner{MemberName(m), MemberHost(m)}
			}
		}
	}
	return nil
}

// places are the first and the last offsets of topics.
type places struct {
	topics       []string
	starts, ends kadm.ListedOffsets
}

func (v Survey) places(ctx context.Context, topics []string) (p places, err error) {
	p.topics = topics
	if len(topics) == 0 {
		return p, nil // all topics would be asked for
	}
	adm := kadm.NewClient(v.Client)
	if p.starts, err = adm.ListStartOffsets(ctx, topics...); err == nil {
		p.ends, err = adm.ListEndOffsets(ctx, topics...)
	}
	if err != nil {
		return p, fmt.Errorf("offsets of %v: %w", topics, err)
	}
	return p, nil
}

// fill says where a task stands in the topics. The committed offset is what lag is counted
// from, where there is none the state's, else the first one that there is.
func (p places) fill(t *Task, s *statefulkafka.Standing, committed kadm.Offsets) {
	t.Topics, t.Offsets = []Topic{}, OffsetsNone
	for _, topic := range p.topics {
		at := Topic{Topic: topic}
		var from *int64
		if start, ok := p.starts.Lookup(topic, t.Task); ok && start.Err == nil {
			from = &start.Offset
		}
		if s != nil {
			for _, source := range s.Sources {
				if source.Topic == topic && source.Partition == t.Task {
					at.State, from = &source.Offset, &source.Offset
					at.Newest = new(source.Seen.String())
				}
			}
		}
		if c, ok := committed.Lookup(topic, t.Task); ok {
			at.Committed, from = &c.At, &c.At
		}
		if end, ok := p.ends.Lookup(topic, t.Task); ok && end.Err == nil {
			at.End = &end.Offset
			if from != nil {
				at.Lag = new(max(end.Offset-*from, 0)) // it may have been committed since the end was asked for
			}
		}
		t.note(at)
	}
}

// note adds a topic.
func (t *Task) note(at Topic) {
	t.Topics = append(t.Topics, at)
	if at.Lag != nil {
		if t.Lag == nil {
			t.Lag = new(int64)
		}
		*t.Lag += *at.Lag
	}
	switch {
	case at.State != nil && at.Committed == nil && t.Offsets != OffsetsMoved:
		t.Offsets = OffsetsExpired
	case at.State != nil && at.Committed != nil && *at.State != *at.Committed && t.Owner == nil:
		t.Offsets = OffsetsMoved
	case at.Committed != nil && t.Offsets == OffsetsNone:
		t.Offsets = OffsetsOK
	}
}
