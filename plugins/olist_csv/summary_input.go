package olistcsv

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

// Account is what a replay has done so far.
type Account struct {
	// Total is how many messages the replay will send: events, injected
	// duplicates and rejected rows. 0 until the files are read.
	Total int
	// Delivered counts the messages that the output has acknowledged, by topic.
	Delivered map[string]int
	// Rejected counts the rows that no event is sent for, by file and rule ("file: rule").
	Rejected map[string]int
	// Injected is what was disturbed on purpose.
	Injected replay.Counts
	// First and Last are the smallest and largest event time of the selected
	// events, event.MinTime without any.
	First, Last event.Time
}

// DeliveredTotal is the number of acknowledged messages of all topics.
func (a Account) DeliveredTotal() int { return sum(a.Delivered) }

// RejectedTotal is the number of rejected rows of all files.
func (a Account) RejectedTotal() int { return sum(a.Rejected) }

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// String is the account in one line.
func (a Account) String() string {
	parts := []string{fmt.Sprintf("delivered %d of %d", a.DeliveredTotal(), a.Total)}
	for _, topic := range slices.Sorted(maps.Keys(a.Delivered)) {
		parts = append(parts, fmt.Sprintf("%s %d", topic, a.Delivered[topic]))
	}
	parts = append(parts, fmt.Sprintf("rejected rows %d", a.RejectedTotal()))
	for _, rule := range slices.Sorted(maps.Keys(a.Rejected)) {
		parts = append(parts, fmt.Sprintf("%s %d", rule, a.Rejected[rule]))
	}
	if in := a.Injected; in != (replay.Counts{}) {
		parts = append(parts, fmt.Sprintf("injected %d duplicates, %d out of order, %d late", in.Duplicates, in.Disordered, in.Late))
	}
	return strings.Join(parts, "; ")
}

// Summary is the account of a stream's olist_csv input. It is safe for use by
// several goroutines.
type Summary struct {
	mu sync.Mutex
	a  Account
}

type summaryKey struct{ streamID string }

// SummaryOf returns the summary of the stream that res belongs to. A stream
// with several olist_csv inputs has one summary, of the last that connected.
func SummaryOf(res *service.Resources) *Summary {
	s, _ := res.GetOrSetGeneric(summaryKey{res.StreamID()}, &Summary{})
	return s.(*Summary)
}

// Account is a copy of the account as it stands.
func (s *Summary) Account() Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.a
	a.Delivered, a.Rejected = maps.Clone(a.Delivered), maps.Clone(a.Rejected)
	return a
}

// begin starts a new account for a dataset and what is sent of it.
func (s *Summary) begin(d *Dataset, total int, injected replay.Counts) {
	a := Account{
		Total: total, Delivered: map[string]int{}, Rejected: map[string]int{}, Injected: injected,
		First: event.MinTime, Last: event.MinTime,
	}
	if n := d.Len(); n > 0 {
		a.First, a.Last = d.refs[0].Time, d.refs[n-1].Time
	}
	for _, r := range d.Rejects {
		a.Rejected[r.File+": "+r.Rule]++
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.a = a
}

func (s *Summary) delivered(topics map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, n := range topics {
		s.a.Delivered[topic] += n
	}
}
