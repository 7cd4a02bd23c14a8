package olistcsv

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Account is what a replay has done so far.
type Account struct {
	// Total is how many messages are sent when this run has come to its end: events,
	// injected duplicates and rejected rows, those of earlier runs among them. 0 until
	// the files are read.
	Total int
	// Tally is what the output has acknowledged in this run.
	Tally
	// Earlier is what was acknowledged in the runs that this one goes on from.
	Earlier Tally
	// Rejected counts the rows that no event is sent for, by file and rule ("file: rule").
	Rejected map[string]int
	// First and Last are the smallest and largest event time of the selected
	// events, NoTime without any.
	First, Last event.Time
	// At is the event time that was acknowledged last, NoTime before.
	At event.Time
	// Begun is when the first event of this run was sent. Next is how long after it the
	// next event is due, Takes how long after it the last one is, both 0 at full speed.
	Begun       time.Time
	Next, Takes time.Duration
}

// Done is the number of acknowledged messages of all runs.
func (a Account) Done() int { return a.Earlier.DeliveredTotal() + a.DeliveredTotal() }

// Whole is what was acknowledged in all runs.
func (a Account) Whole() Tally {
	all := a.Earlier.Clone()
	all.Add(a.Tally)
	return all
}

// RejectedTotal is the number of rejected rows of all files.
func (a Account) RejectedTotal() int { return sum(a.Rejected) }

// Behind is for how long the next event has been due, which is no more than a moment
// unless the output is slow or stands still.
func (a Account) Behind(now time.Time) time.Duration {
	if a.Takes == 0 || a.Begun.IsZero() || a.Done() >= a.Total {
		return 0
	}
	return max(0, now.Sub(a.Begun)-a.Next)
}

// inTime is by how much a replay may be behind and still count as in time.
const inTime = 2 * time.Second

// Left is how long the rest will take, given how many messages a second are sent at
// present. A paced replay ends when its schedule does, unless it has fallen behind. It
// returns false where that cannot be told.
func (a Account) Left(now time.Time, perSecond float64) (time.Duration, bool) {
	rest := max(0, a.Total-a.Done())
	bySchedule := a.Takes - now.Sub(a.Begun)
	if rest > 0 && a.Takes > 0 && bySchedule > 0 && a.Behind(now) < inTime {
		return bySchedule, true
	}
	if perSecond <= 0 {
		return 0, rest == 0
	}
	byRate := time.Duration(min(float64(rest)/perSecond*float64(time.Second), math.MaxInt64/2))
	if a.Takes > 0 {
		byRate = max(byRate, bySchedule)
	}
	return byRate, true
}

// String is the account in one line.
func (a Account) String() string {
	parts := []string{fmt.Sprintf("delivered %d of %d", a.Done(), a.Total)}
	if earlier := a.Earlier.DeliveredTotal(); earlier > 0 {
		parts = append(parts, fmt.Sprintf("%d of them in earlier runs; of this run", earlier))
	}
	for _, topic := range slices.Sorted(maps.Keys(a.Delivered)) {
		parts = append(parts, fmt.Sprintf("%s %d", topic, a.Delivered[topic]))
	}
	parts = append(parts, fmt.Sprintf("rejected rows %d", a.RejectedTotal()))
	for _, rule := range slices.Sorted(maps.Keys(a.Rejected)) {
		parts = append(parts, fmt.Sprintf("%s %d", rule, a.Rejected[rule]))
	}
	if a.Injected.Total() > 0 {
		parts = append(parts, fmt.Sprint("injected ", a.Injected))
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
	a.Tally, a.Earlier, a.Rejected = a.Tally.Clone(), a.Earlier.Clone(), maps.Clone(a.Rejected)
	return a
}

// begin starts a new account of a dataset whose sendings are sent from start up to end,
// which will take that long.
func (s *Summary) begin(d *Dataset, start Position, end int, takes time.Duration) {
	a := Account{
		Total: max(start.Done, len(d.Rejects)+end), Tally: newTally(), Earlier: start.Tally.Clone(), Rejected: map[string]int{}, At: none, Takes: takes,
	}
	a.First, a.Last = d.Span()
	for _, r := range d.Rejects {
		a.Rejected[r.File+": "+r.Rule]++
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.a = a
}

// delivered adds what was acknowledged, an event of that time the last of it.
func (s *Summary) delivered(t Tally, at event.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.a.Add(t)
	if t.Newest != none {
		s.a.At = at
	}
}

// paced notes when the first event was sent, and how long after it the next one is due.
func (s *Summary) paced(begun time.Time, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.a.Begun, s.a.Next = begun, next
}
