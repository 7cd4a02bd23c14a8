package streams

import (
	"slices"
	"strings"

	"github.com/tidemark-streams/tidemark/internal/survey"
	"github.com/tidemark-streams/tidemark/plugins/figures"
)

// taskOf puts together what Postgres has of a task and what Kafka says of it; either may be
// nil.
func taskOf(n int32, e *entry, k *survey.Task) Task {
	t := Task{Task: n, State: Unknown, Offsets: []Offset{}, Operators: []Operator{}}
	var told *figures.Task
	if e != nil {
		t.Generation, t.Seq, t.Watermark, t.Ended = e.generation, e.seq, e.watermark, e.ended
		told = e.figures
	}
	switch {
	case k != nil && k.Owner != nil:
		t.State, t.Owner = Running, k.Owner
	case k != nil:
		t.State = Unowned
	}
	if told != nil {
		t.Commit = told.Commit
		t.Store = &Store{Disk: told.Disk}
		for _, o := range told.Operators {
			t.Store.Keys, t.Store.Memory = t.Store.Keys+o.Keys, t.Store.Memory+o.Memory
			t.Operators = append(t.Operators, Operator(o))
		}
		// Who waits for what is so while a task is at work. Of its predecessor it says nothing.
		if e.current && t.State != Unowned {
			t.Holder = told.Holder
		}
	}
	if k != nil {
		t.Lag = k.Lag
		for _, p := range k.Topics {
			o := Offset{Topic: p.Topic, Partition: n, Committed: p.Committed, End: p.End, Lag: p.Lag}
			if s := sourceOf(told, p.Topic, n); s != nil {
				o.Newest = s.Seen
			}
			t.Offsets = append(t.Offsets, o)
		}
	} else if told != nil {
		for _, s := range told.Sources {
			o := Offset{Topic: s.Topic, Partition: s.Partition, Committed: &s.Next, End: s.End, Newest: s.Seen}
			if lag, ok := s.Lag(); ok {
				o.Lag = &lag
			}
			t.Lag = plus(t.Lag, o.Lag)
			t.Offsets = append(t.Offsets, o)
		}
	}
	slices.SortFunc(t.Offsets, func(a, b Offset) int { return strings.Compare(a.Topic, b.Topic) })
	return t
}

func sourceOf(told *figures.Task, topic string, partition int32) *figures.Source {
	if told == nil {
		return nil
	}
	for i := range told.Sources {
		if s := &told.Sources[i]; s.Topic == topic && s.Partition == partition {
			return s
		}
	}
	return nil
}
