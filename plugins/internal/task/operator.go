// Package task is the deterministic core of a stateful stream: one task merges
// its source partitions by event time, keeps the watermark, fires timers in order
// and drives the chain of operators. It knows no clock, no network and no Benthos.
package task

import (
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Operator is one stage of a task: deduplication, a join, a window. An instance
// belongs to one task and is called by one goroutine.
//
// An operator lives in event time only. Times that it is given and returns are the
// task's: where the operators before it may hold events back, the watermark that
// an operator goes by is the task's watermark less Shape.Delay.
//
// Each row bears the watermark that it is judged by, and watermarks never go back. So
// event time passes with the rows, and a chain is driven stage by stage, with large
// batches, however many timers there are. The laws:
//
//   - What an operator emits depends on the rows, in their order, and on nothing else.
//     How they are cut into batches makes no difference, except that Flush may come
//     between any two.
//   - Before a row it fires the timers that the row's watermark has passed: those set
//     for an earlier time, in the order of their times. What a timer emits bears the
//     timer's time as its watermark.
//   - What it emits has watermarks that never go back.
//
// So an operator behind it sees the same: rows and ends of windows, in event time,
// as if each timer had been fired through the whole chain by itself.
type Operator interface {
	// Bind is called once, before anything else. It checks what is known of the
	// rows to come, and says the same of the rows that it will emit. Errors name
	// the config field that does not fit.
	Bind(in Shape) (Shape, error)

	// Restore is called once after Bind where an earlier run has left state: it reads
	// the tables, sets timers, and marks for emission what is open.
	Restore() error

	// Process handles rows in their order, each behind the timers that it makes due.
	// Rows are borrowed: what state keeps of them is cloned.
	Process(rows []event.Row, out *Output)

	// Advance fires the timers that the watermark w has passed. No row behind it has
	// an earlier one.
	Advance(w event.Time, out *Output)

	// Flush emits what has changed since it was last emitted. The task's watermark is w.
	// Where that is much it emits some thousand rows and tells that there is more.
	Flush(w event.Time, out *Output) (more bool)
}

// Stateless has the methods of an operator that remembers nothing, to be embedded.
type Stateless struct{}

// Restore does nothing.
func (Stateless) Restore() error { return nil }

// Advance does nothing.
func (Stateless) Advance(event.Time, *Output) {}

// Flush does nothing.
func (Stateless) Flush(event.Time, *Output) bool { return false }

// Shape is what is known of the rows between two operators before the first one comes.
type Shape struct {
	// Schemas that may come; nil when that is not known.
	Schemas []Known
	// Delay is the longest time that the operators so far may hold an event back.
	Delay event.Duration
	// Reach is how far back before a row, at most, lie the events that the operators so
	// far make it of: who reads from that much earlier misses nothing of it.
	Reach event.Duration
}

// Known is the schema of the rows of one source topic; the topic is empty where rows
// of several topics share the schema.
type Known struct {
	Topic  string
	Schema *event.Schema
}

// Output takes what one operator emits and counts what became of each row.
type Output struct {
	label  string
	rows   []event.Row
	sink   *Sink
	acct   *Account
	values arena
}

// Sink collects what leaves the chain of a task. Its rows may be borrowed until the
// chain is told to Release what it has lent; Own makes them last.
type Sink struct {
	// Rows are the rows that the last operators emitted, in order. Those that are owned
	// are never written to again: the host may keep them until outputs have taken them.
	Rows []event.Row
	// Rejects are the rows that an operator put on its late side output, in order.
	Rejects []Reject

	owned, ownedRejects int
}

// Own makes rows and rejects that came since the last call share no memory that a task
// may use again.
func (s *Sink) Own() {
	s.owned, s.ownedRejects = min(s.owned, len(s.Rows)), min(s.ownedRejects, len(s.Rejects))
	rows, rejects := s.Rows[s.owned:], s.Rejects[s.ownedRejects:]
	var need room
	for i := range rows {
		need.add(&rows[i])
	}
	for i := range rejects {
		need.add(&rejects[i].Row)
	}
	m := owned{make([]event.Value, 0, need.values), make([]event.Source, 0, need.places), make([]byte, 0, need.bytes)}
	for i := range rows {
		m.own(&rows[i])
	}
	for i := range rejects {
		m.own(&rejects[i].Row)
	}
	s.owned, s.ownedRejects = len(s.Rows), len(s.Rejects)
}

// drop takes out what came since the last call of Own and is of an event time before from.
func (s *Sink) drop(from event.Time) {
	kept := min(s.owned, len(s.Rows))
	kept += len(slices.DeleteFunc(s.Rows[kept:], func(r event.Row) bool { return r.Time < from }))
	s.Rows = s.Rows[:kept]
	kept = min(s.ownedRejects, len(s.Rejects))
	kept += len(slices.DeleteFunc(s.Rejects[kept:], func(r Reject) bool { return r.Row.Time < from }))
	s.Rejects = s.Rejects[:kept]
}

// room is what the copies of rows take.
type room struct{ values, places, bytes int }

func (n *room) add(r *event.Row) {
	n.values += len(r.Values)
	for i := range r.Values {
		n.bytes += len(r.Values[i].Str())
	}
	if r.Source != nil {
		n.places++
		n.bytes += len(r.Source.Key) + len(r.Source.Value)
	}
}

// owned is memory for the copies.
type owned struct {
	values []event.Value
	places []event.Source
	bytes  []byte
}

func (m *owned) own(r *event.Row) {
	if n := len(m.values); len(r.Values) > 0 {
		for i := range r.Values {
			var v event.Value
			v, m.bytes = r.Values[i].CloneTo(m.bytes)
			m.values = append(m.values, v)
		}
		r.Values = m.values[n:len(m.values):len(m.values)]
	}
	if r.Source != nil {
		m.places = append(m.places, *r.Source)
		r.Source = &m.places[len(m.places)-1]
		r.Source.Key, r.Source.Value = m.copy(r.Source.Key), m.copy(r.Source.Value)
	}
}

// copy tells null from empty, as b does.
func (m *owned) copy(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	n := len(m.bytes)
	m.bytes = append(m.bytes, b...)
	return m.bytes[n:len(m.bytes):len(m.bytes)]
}

// Reset forgets all rows and rejects.
func (s *Sink) Reset() {
	clear(s.Rows)
	clear(s.Rejects)
	*s = Sink{Rows: s.Rows[:0], Rejects: s.Rejects[:0]}
	if cap(s.Rows) > keptRows {
		s.Rows = nil
	}
}

// Reject is a row that no operator further down will see.
type Reject struct {
	Operator string
	Reason   Outcome
	Detail   string
	Row      event.Row
}

// Emit hands a row on and counts nothing.
func (o *Output) Emit(r event.Row) { o.rows = append(o.rows, r) }

// Pass hands a row on and counts it as passed.
func (o *Output) Pass(r *event.Row) {
	o.Count(r, Passed)
	o.rows = append(o.rows, *r)
}

// Reject puts a row on the late side output, where dead letters are made of it, and counts it.
func (o *Output) Reject(r *event.Row, reason Outcome, detail string) {
	o.Count(r, reason)
	o.sink.Rejects = append(o.sink.Rejects, Reject{o.label, reason, detail, *r})
}

// Count records what became of a row.
func (o *Output) Count(r *event.Row, what Outcome) { o.acct.Add(r.Source, what, 1) }

// Unhold records that a row is held no longer; what became of it is counted beside.
func (o *Output) Unhold(r *event.Row) { o.acct.Add(r.Source, Held, -1) }

// Values makes room for n values of a new row, all of which the caller sets. They are
// borrowed until the chain is told to Release.
func (o *Output) Values(n int) []event.Value { return o.values.take(n) }

// arena lends room for values again and again. It grows to what one drive of the
// chain needs.
type arena struct {
	blocks [][]event.Value
	at     int // the block that is being lent
}

const (
	arenaBlock  = 1024 // values of a block
	arenaBlocks = 16   // kept for the next drive
)

func (a *arena) take(n int) []event.Value {
	for ; a.at < len(a.blocks); a.at++ {
		if b := a.blocks[a.at]; cap(b)-len(b) >= n {
			k := len(b)
			a.blocks[a.at] = b[:k+n]
			return b[k : k+n : k+n]
		}
	}
	b := make([]event.Value, n, max(arenaBlock, n))
	a.blocks = append(a.blocks, b)
	return b[:n:n]
}

func (a *arena) release() {
	if len(a.blocks) > arenaBlocks {
		clear(a.blocks[arenaBlocks:])
		a.blocks = a.blocks[:arenaBlocks]
	}
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.at = 0
}
