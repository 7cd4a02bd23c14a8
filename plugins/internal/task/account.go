package task

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Outcome is what became of an event at an operator.
type Outcome uint8

// Every event that comes in has exactly one of the outcomes after In; one that is
// held gets another later.
const (
	In Outcome = iota
	Passed
	Held
	Duplicate
	Late
	Orphan
	Invalid
	Future
	outcomes
)

var outcomeNames = [outcomes]string{"in", "passed", "held", "duplicate", "late", "orphan", "invalid", "future"}

// Outcomes names all outcomes in their order.
func Outcomes() []string { return slices.Clone(outcomeNames[:]) }

func (o Outcome) String() string { return outcomeNames[o] }

// Counts holds one number per outcome.
type Counts [outcomes]int64

// Balanced tells whether every event that came in is accounted for.
func (c Counts) Balanced() bool {
	sum := int64(0)
	for _, n := range c[Passed:] {
		sum += n
	}
	return sum == c[In]
}

// String lists the numbers that are not zero.
func (c Counts) String() string {
	var b strings.Builder
	for i, n := range c {
		if n != 0 || Outcome(i) == In {
			fmt.Fprintf(&b, " %s=%d", outcomeNames[i], n)
		}
	}
	return strings.TrimSpace(b.String())
}

// Account counts the events of one operator by source topic.
type Account struct {
	Operator string
	topics   []*topicCounts
	bySlot   [slots]*Counts // see event.Source
}

// slots that are looked up at once; topics beyond them are found by their names.
const slots = 8

type topicCounts struct {
	topic string
	n     Counts
}

// Add counts n events of a source. Rows without a source are not counted: they
// stand for many events, which were counted where they came in.
func (a *Account) Add(s *event.Source, what Outcome, n int64) {
	if s == nil {
		return
	}
	if s.Slot == 0 || s.Slot >= slots {
		a.of(s.Topic)[what] += n
		return
	}
	c := a.bySlot[s.Slot]
	if c == nil {
		c = a.of(s.Topic)
		a.bySlot[s.Slot] = c
	}
	c[what] += n
}

// of are the counts of a topic.
func (a *Account) of(topic string) *Counts {
	for _, t := range a.topics {
		if t.topic == topic {
			return &t.n
		}
	}
	t := &topicCounts{topic: topic}
	a.topics = append(a.topics, t)
	return &t.n
}

// restore takes up the counts of an earlier run.
func (a *Account) restore(lines []Line) {
	for _, l := range lines {
		if l.Operator == a.Operator {
			*a.of(l.Topic) = l.Counts
		}
	}
}

// Line is the account of one operator for one topic.
type Line struct {
	Operator, Topic string
	Counts          Counts
}

// Lines lists an account by topic.
func (a *Account) Lines() []Line {
	lines := make([]Line, 0, len(a.topics))
	for _, t := range a.topics {
		if t.n != (Counts{}) {
			lines = append(lines, Line{a.Operator, t.topic, t.n})
		}
	}
	slices.SortFunc(lines, func(x, y Line) int { return strings.Compare(x.Topic, y.Topic) })
	return lines
}

// MergeLines adds up the accounts of several tasks, keeping the order of operators.
func MergeLines(to, more []Line) []Line {
next:
	for _, m := range more {
		for i := range to {
			if to[i].Operator == m.Operator && to[i].Topic == m.Topic {
				for k := range m.Counts {
					to[i].Counts[k] += m.Counts[k]
				}
				continue next
			}
		}
		to = append(to, m)
	}
	return to
}
