// Package meter holds the figures of the streams that run in this process, for
// whoever shows them. What it counts lasts as long as the process and only grows; what
// stands for a moment belongs to a task and is gone with it.
//
// Nobody is asked while events are processed: tasks leave their figures here a few
// times a second, and at each commit.
package meter

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Registry has the streams of a process by name.
type Registry struct {
	mu      sync.Mutex
	streams map[string]*Stream
}

// Process is the registry of this process. It is global as the exporter of metrics
// that reads it, and the inputs and outputs that write it, are constructed apart by
// Benthos, in any number, with nothing in common.
var Process = NewRegistry()

// NewRegistry makes a registry without streams.
func NewRegistry() *Registry { return &Registry{streams: map[string]*Stream{}} }

// Stream is the stream of that name, from now on if there was none.
func (r *Registry) Stream(name string) *Stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[name]
	if s == nil {
		s = newStream(name)
		r.streams[name] = s
	}
	return s
}

// Streams are all of them, by name.
func (r *Registry) Streams() []*Stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Stream, 0, len(r.streams))
	for _, s := range r.streams {
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y *Stream) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// Phase is a part of a commit.
type Phase string

// Phases of a commit, in their order.
const (
	PhaseOutputs Phase = "outputs" // until the outputs have acknowledged what was emitted
	PhaseState   Phase = "state"   // until the state and the offsets last
	PhaseLedgers Phase = "ledgers" // until the outputs know what is committed
)

// Phases are all of them.
func Phases() []Phase { return []Phase{PhaseOutputs, PhaseState, PhaseLedgers} }

// Change is a way in which a rebalance moves tasks.
type Change string

// Ways in which tasks come and go.
const (
	Assigned Change = "assigned"
	Revoked  Change = "revoked"
	Lost     Change = "lost"
)

// Changes are all of them.
func Changes() []Change { return []Change{Assigned, Revoked, Lost} }

// Stream has what is counted of one stream, and its tasks.
type Stream struct {
	// Name is the stream's: its consumer group, where it has one.
	Name string

	phases  map[Phase]*Histogram
	latency *Histogram

	mu         sync.Mutex
	tasks      map[*Task]struct{} // that are at work
	begun      int64              // tasks, ever
	accounts   map[Operator]task.Counts
	committed  map[int32]commit
	lookups    map[Table]Lookups
	rows       map[RowKind]int64
	rebalances map[Change]int64
	failures   int64
	restarts   int64
	restored   int64
}

// Operator names an account: that of an operator of a task for a topic.
type Operator struct {
	Task            int32
	Operator, Topic string
}

// Table names an operator of a task that has state.
type Table struct {
	Task     int32
	Operator string
}

// Lookups count how often an operator looked for a key that it had.
type Lookups struct {
	Hits   int64 // it was in memory
	Misses int64 // it had to be read from the disk
}

// RowKind says what became of the rows of a table of a database.
type RowKind struct{ Table, Outcome string }

// commit is what is counted already of a task's account.
type commit struct {
	generation int64
	lines      []task.Line
}

func newStream(name string) *Stream {
	s := &Stream{
		Name: name, phases: map[Phase]*Histogram{},
		latency: newHistogram(10*time.Millisecond, 25*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond, 250*time.Millisecond,
			500*time.Millisecond, time.Second, 2500*time.Millisecond, 5*time.Second, 10*time.Second, 30*time.Second, time.Minute, 5*time.Minute),
		tasks: map[*Task]struct{}{}, accounts: map[Operator]task.Counts{}, committed: map[int32]commit{},
		lookups: map[Table]Lookups{}, rows: map[RowKind]int64{}, rebalances: map[Change]int64{},
	}
	for _, p := range Phases() {
		s.phases[p] = newHistogram(time.Millisecond, 5*time.Millisecond, 10*time.Millisecond, 25*time.Millisecond, 50*time.Millisecond,
			100*time.Millisecond, 250*time.Millisecond, 500*time.Millisecond, time.Second, 2500*time.Millisecond, 5*time.Second, 10*time.Second, 30*time.Second)
	}
	return s
}

// Committed counts how long a part of a commit took.
func (s *Stream) Committed(p Phase, took time.Duration) { s.phases[p].Observe(took, 1) }

// CommitFailed counts a commit that came to nothing.
func (s *Stream) CommitFailed() { s.count(&s.failures, 1) }

// Restarted counts a run of a task that an error has ended.
func (s *Stream) Restarted() { s.count(&s.restarts, 1) }

// Rows counts rows that an output has dealt with.
func (s *Stream) Rows(table, outcome string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[RowKind{table, outcome}] += int64(n)
}

// Acknowledged counts rows that the outputs have taken, so long after the arrival of
// the first record that they may tell of.
func (s *Stream) Acknowledged(rows int, after time.Duration) { s.latency.Observe(after, rows) }

// Rebalanced counts a rebalance that moved tasks of this process.
func (s *Stream) Rebalanced(c Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rebalances[c]++
}

func (s *Stream) count(what *int64, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*what += n
}
