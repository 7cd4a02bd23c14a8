package meter

import (
	"maps"
	"slices"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// resume says from which account a run of a task goes on. Only what is committed is
// counted, so an event counts once in all processes together, whatever befalls a run.
//
// A commit may have come about though its answer was lost. Its events are in the account
// that the next run finds. Where that run is the next generation, nobody else can have
// counted them.
func (s *Stream) resume(number int32, generation int64, account []task.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, had := s.committed[number]
	if had && generation == last.generation+1 {
		s.grow(number, last.lines, account)
	}
	s.committed[number] = commit{generation, slices.Clone(account)}
	s.grow(number, account, account) // lines are there before their first event
}

// commit counts the events that a commit was about.
func (s *Stream) commit(number int32, account []task.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.committed[number]
	s.grow(number, last.lines, account)
	s.committed[number] = commit{last.generation, slices.Clone(account)}
}

// grow counts what an account has more than another. Less is no news: an operator that
// starts afresh starts a new account.
func (s *Stream) grow(number int32, from, to []task.Line) {
	before := make(map[Operator]task.Counts, len(from))
	for _, l := range from {
		before[Operator{number, l.Operator, l.Topic}] = l.Counts
	}
	for _, l := range to {
		key := Operator{number, l.Operator, l.Topic}
		had, n := before[key], s.accounts[key]
		for i := range n {
			n[i] += max(l.Counts[i]-had[i], 0)
		}
		n[task.Held] = 0 // it goes up and down: see Gauges
		s.accounts[key] = n
	}
}

func (s *Stream) lookedUp(at Table, n Lookups) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.lookups[at]
	s.lookups[at] = Lookups{have.Hits + max(n.Hits, 0), have.Misses + max(n.Misses, 0)}
}

// Figures are all of a stream at one moment.
type Figures struct {
	Stream string
	// Accounts count what was committed by this process; without Held.
	Accounts   map[Operator]task.Counts
	Lookups    map[Table]Lookups
	Rows       map[RowKind]int64
	Rebalances map[Change]int64
	Commits    map[Phase]Distribution
	// Latency is of rows.
	Latency                            Distribution
	CommitFailures, Restarts, Restored int64
	// Tasks are those that this process has, by number.
	Tasks []Gauges
	// HasTasks: the process has had tasks of the stream.
	HasTasks bool
}

// Read is the stream as it stands.
func (s *Stream) Read() Figures {
	s.mu.Lock()
	f := Figures{
		Stream: s.Name, Accounts: maps.Clone(s.accounts), Lookups: maps.Clone(s.lookups), Rows: maps.Clone(s.rows),
		Rebalances: maps.Clone(s.rebalances), CommitFailures: s.failures, Restarts: s.restarts, Restored: s.restored,
		HasTasks: s.begun > 0,
	}
	// While a stream is reloaded two instances may have the same task: the later has it.
	latest := map[int32]*Task{}
	for t := range s.tasks {
		if had := latest[t.number]; had == nil || t.order > had.order {
			latest[t.number] = t
		}
	}
	s.mu.Unlock()
	f.Commits, f.Latency = make(map[Phase]Distribution), s.latency.read()
	for p, h := range s.phases {
		f.Commits[p] = h.read()
	}
	for _, number := range slices.Sorted(maps.Keys(latest)) {
		f.Tasks = append(f.Tasks, latest[number].read())
	}
	return f
}

// Bounds are the upper bounds of a distribution, growing.
func (d Distribution) Bounds() []time.Duration { return slices.Sorted(maps.Keys(d.Below)) }
