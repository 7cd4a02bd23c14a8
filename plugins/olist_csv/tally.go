package olistcsv

import (
	"maps"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

// NoTime stands for the event time of no event.
const NoTime = event.MinTime

// Tally is what was sent in a part of a replay.
type Tally struct {
	// Delivered counts messages by topic, rejected rows among them.
	Delivered map[string]int `json:"delivered"`
	// Injected is what of them was disturbed on purpose.
	Injected replay.Counts `json:"injected"`
	// Oldest and Newest are the smallest and largest event time of the events,
	// NoTime without any.
	Oldest event.Time `json:"oldest_ms"`
	Newest event.Time `json:"newest_ms"`
}

func newTally() Tally { return Tally{Delivered: map[string]int{}, Oldest: none, Newest: none} }

// DeliveredTotal is the number of messages of all topics.
func (t Tally) DeliveredTotal() int { return sum(t.Delivered) }

func (t *Tally) reject() { t.Delivered[TopicDeadLetters]++ }

func (t *Tally) event(e *Event) {
	t.Delivered[e.Topic]++
	t.Injected.Count(e.Kind)
	t.span(e.Time, e.Time)
}

func (t *Tally) span(oldest, newest event.Time) {
	if oldest != none && (t.Oldest == none || oldest < t.Oldest) {
		t.Oldest = oldest
	}
	t.Newest = max(t.Newest, newest)
}

// Add adds what was sent in another part.
func (t *Tally) Add(o Tally) {
	for topic, n := range o.Delivered {
		t.Delivered[topic] += n
	}
	t.Injected.Add(o.Injected)
	t.span(o.Oldest, o.Newest)
}

// Clone shares nothing with t.
func (t Tally) Clone() Tally {
	t.Delivered = maps.Clone(t.Delivered)
	return t
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
