// Package task is the deterministic core of a stateful stream: one task merges
// its source partitions by event time, keeps the watermark, fires timers in order
// and drives the chain of operators. It knows no clock, no network and no Benthos.
package task

import (
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Operator is one stage of a task: deduplication, a join, a window. An instance
// belongs to one task and is called by one goroutine.
//
// An operator lives in event time only. Times that it is given and returns are the
// task's: where the operators before it may hold events back, the watermark that
// an operator goes by is the task's watermark less Shape.Delay.
//
// The law that every operator keeps: what it emits depends on the rows and timers
// it was given, in their order, and on nothing else. How rows are cut into batches
// makes no difference to what it emits, except that Flush may come between any two.
// A timer that a row sets lies neither before the row's time nor before its
// watermark; and a row that is emitted sets no earlier ones further down.
type Operator interface {
	// Bind is called once, before anything else. It checks what is known of the
	// rows to come, and says the same of the rows that it will emit. Errors name
	// the config field that does not fit.
	Bind(in Shape) (Shape, error)

	// Restore is called once after Bind where an earlier run has left state: it reads
	// the tables, sets timers, and marks for emission what is open.
	Restore() error

	// Process handles rows in their order. Rows are borrowed: what state keeps of
	// them is cloned.
	Process(rows []event.Row, out *Output)

	// NextTimer is the time of the earliest timer, event.MaxTime where none is set.
	NextTimer() event.Time

	// OnTimer fires every timer that is set for exactly t. The watermark has passed t.
	OnTimer(t event.Time, out *Output)

	// Flush emits what has changed since it was last emitted. The task's watermark is w.
	Flush(w event.Time, out *Output)
}

// Shape is what is known of the rows between two operators before the first one comes.
type Shape struct {
	// Schemas that may come; nil when that is not known.
	Schemas []Known
	// Delay is the longest time that the operators so far may hold an event back.
	Delay event.Duration
}

// Known is the schema of the rows of one source topic; the topic is empty where rows
// of several topics share the schema.
type Known struct {
	Topic  string
	Schema *event.Schema
}

// Output takes what one operator emits and counts what became of each row.
type Output struct {
	label string
	rows  []event.Row
	sink  *Sink
	acct  *Account
	arena []event.Value
}

// Sink collects what leaves the chain of a task.
type Sink struct {
	// Rows are the rows that the last operators emitted, in order. Their values and
	// texts are never written to again: the host may keep them until outputs have
	// taken them.
	Rows []event.Row
	// Rejects are the rows that an operator put on its late side output, in order.
	Rejects []Reject
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

// Values makes room for n values of a new row.
func (o *Output) Values(n int) []event.Value {
	if cap(o.arena)-len(o.arena) < n {
		o.arena = make([]event.Value, 0, max(arenaSize, n))
	}
	at := len(o.arena)
	o.arena = o.arena[:at+n]
	return o.arena[at : at+n : at+n]
}

const arenaSize = 1024
