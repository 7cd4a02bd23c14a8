package meter

import (
	"sync"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// State is what a task is about.
type State string

// States of a task.
const (
	Restoring State = "restoring" // fences whoever had it, and reads its state
	Running   State = "running"
)

// States are all of them.
func States() []State { return []State{Restoring, Running} }

// Task is a task while this process has it. Its methods may be called by any
// goroutine, and on nil, where nobody wants to know.
type Task struct {
	stream *Stream
	number int32
	order  int64

	mu      sync.Mutex
	gauges  Gauges
	looked  map[string]Lookups // what was counted of the tables of this run
	restore int64              // records that were counted
	live    Live
}

// Gauges are how a task stands.
type Gauges struct {
	Task  int32
	State State
	// Watermark is that of the task, where it HasWatermark: it has seen a record.
	Watermark    event.Time
	HasWatermark bool
	Sources      []Source
	// Held are the events that operators hold, as of the last commit.
	Held []Held
	// Tables are what the operators have stored, as of the last commit.
	Tables []state.Usage
	// Remaining is how many records of the changelog are still to be restored.
	Remaining int64
	// Disk is how many bytes the task's folder takes; negative where it has none.
	Disk int64
}

// Source is how a task stands with one of its partitions.
type Source struct {
	Topic     string
	Partition int32
	// Next is the offset behind the last record that was merged.
	Next int64
	// Seen is the largest event time that was merged, event.MinTime before the first.
	Seen event.Time
	// Waiting is how many records were received and not merged.
	Waiting int64
	// Holder: it holds the watermark. Waited: the merge waits for it. Idle: it holds
	// neither.
	Holder, Waited, Idle bool
	// End is what the source knows of the partition's end, where it HasEnd.
	End    End
	HasEnd bool
}

// End is where a partition ends.
type End struct {
	Offset int64
	// Newest is the largest event time before it, event.MinTime where that is not known.
	Newest event.Time
}

// LagRecords is how many records are before the end and not merged, where the end is known.
func (s *Source) LagRecords() (n int64, known bool) {
	if !s.HasEnd {
		return 0, false
	}
	return max(s.End.Offset-s.Next, 0), true
}

// Lag is how much event time lies between the newest record and the newest that is merged.
// It is not known before the first one is merged.
func (s *Source) Lag() (lag event.Duration, known bool) {
	n, known := s.LagRecords()
	switch {
	case known && n == 0:
		return 0, true
	case !known || s.Seen == event.MinTime || s.End.Newest == event.MinTime:
		return 0, false
	}
	return max(event.Duration(s.End.Newest-s.Seen), 0), true
}

// Held is how many events of a topic an operator holds.
type Held struct {
	Operator, Topic string
	Events          int64
}

// Live answers what is asked when somebody looks. Its functions may be called at any
// time until Close or End has returned; each may be nil.
type Live struct {
	// Ends tells where the partitions end, in the order of the sources; false where it is
	// not known.
	Ends func(i int) (End, bool)
	// Known tells the same without having anybody asked for it: it may be old.
	Known func(i int) (End, bool)
	// Disk is how many bytes the task's folder takes.
	Disk func() int64
}

// Begin says that the process has a task, until End.
func (s *Stream) Begin(number int32) *Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	t := &Task{stream: s, number: number, order: s.begun}
	t.clear()
	s.tasks[t] = struct{}{}
	return t
}

func (t *Task) clear() {
	t.gauges = Gauges{Task: t.number, State: Restoring, Watermark: event.MinTime, Disk: -1}
	t.looked, t.restore, t.live = map[string]Lookups{}, 0, Live{}
}

// End says that the process has the task no more.
func (t *Task) End() {
	if t == nil {
		return
	}
	t.stream.mu.Lock()
	delete(t.stream.tasks, t)
	t.stream.mu.Unlock()
	t.Close()
}

// Close says that a run of the task is over: what it stood at is no longer so.
func (t *Task) Close() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
}

// Restore says how far the state is restored.
func (t *Task) Restore(restored, total int64) {
	if t == nil {
		return
	}
	t.mu.Lock()
	n := restored - t.restore
	t.restore, t.gauges.Remaining = restored, total-restored
	t.mu.Unlock()
	t.stream.count(&t.stream.restored, max(n, 0)) // a restore may begin anew
}

// Run says that a run of the task begins, in a generation and with the account that its
// last commit has left.
func (t *Task) Run(generation int64, account []task.Line, live Live) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.gauges.State, t.gauges.Remaining, t.live = Running, 0, live
	t.gauges.Held = held(account)
	t.mu.Unlock()
	t.stream.resume(t.number, generation, account)
}

// Stand says how the task stands. The sources are copied.
func (t *Task) Stand(w event.Time, has bool, sources []Source) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gauges.Watermark, t.gauges.HasWatermark = w, has
	t.gauges.Sources = append(t.gauges.Sources[:0], sources...)
}

// Commit says which account a commit has come to.
func (t *Task) Commit(account []task.Line) {
	if t == nil {
		return
	}
	t.stream.commit(t.number, account)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gauges.Held = held(account)
}

// Store says what the operators have stored.
func (t *Task) Store(usage []state.Usage) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gauges.Tables = usage
	for _, u := range usage {
		was := t.looked[u.Operator]
		now := Lookups{u.Hits, u.Misses}
		t.looked[u.Operator] = now
		t.stream.lookedUp(Table{t.number, u.Operator}, Lookups{now.Hits - was.Hits, now.Misses - was.Misses})
	}
}

// held are the accounts' events that are held, with a line for each account: what is held
// no more is 0.
func held(account []task.Line) []Held {
	all := make([]Held, 0, len(account))
	for _, l := range account {
		all = append(all, Held{l.Operator, l.Topic, l.Counts[task.Held]})
	}
	return all
}

// read is how the task stands now. What has to be asked is asked under the lock, so
// that nothing is asked of a run that is over.
func (t *Task) read() Gauges {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.stood(t.live.Ends)
	g.Disk = t.disk()
	return g
}

// Stood is how the task stands, as far as that is known without asking: ends of partitions
// may be old, and Disk is left out.
func (t *Task) Stood() Gauges {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stood(t.live.Known)
}

// Disk is how many bytes the task's folder takes; negative where it has none.
func (t *Task) Disk() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.disk()
}

// stood is a copy of the gauges, with the ends of the partitions. The caller holds t.mu.
func (t *Task) stood(ends func(i int) (End, bool)) Gauges {
	g := t.gauges
	g.Sources = append([]Source(nil), g.Sources...)
	if ends != nil {
		for i := range g.Sources {
			g.Sources[i].End, g.Sources[i].HasEnd = ends(i)
		}
	}
	return g
}

// disk asks for the size of the folder. The caller holds t.mu.
func (t *Task) disk() int64 {
	if t.live.Disk == nil {
		return t.gauges.Disk
	}
	return t.live.Disk()
}
