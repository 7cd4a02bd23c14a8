// Package figures is the form in which a task tells how it stands: a JSON object that its
// outputs store beside their ledger, for whoever wants to see the tasks of all processes.
package figures

import "time"

// Task is how a task stood at a commit. What is 0 is left out of its JSON.
type Task struct {
	// Holder is the partition that holds the watermark; nil where none does, as before the
	// first record and after the end.
	Holder *Partition `json:"holder,omitempty"`
	// Commit is the last one of this run that committed something.
	Commit *Commit `json:"commit,omitempty"`
	// Disk is how many bytes the task's folder takes.
	Disk      int64      `json:"disk_bytes,omitempty"`
	Operators []Operator `json:"operators,omitempty"`
	Sources   []Source   `json:"sources,omitempty"`
	Account   []Line     `json:"account,omitempty"`
}

// Partition is a partition of a topic, or a part of another input.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// Commit says when a commit was done, and how long it took.
type Commit struct {
	At      time.Time          `json:"at"`
	Seconds float64            `json:"seconds"`
	Phases  map[string]float64 `json:"phases"` // seconds by meter.Phase
}

// Operator is what an operator has stored.
type Operator struct {
	Operator string `json:"operator"`
	Keys     int64  `json:"keys,omitempty"`
	Memory   int64  `json:"memory_bytes,omitempty"` // of the keys that are held in it
}

// Source is how far a task has read.
type Source struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Next is the offset behind the last record that was merged.
	Next int64 `json:"next"`
	// Seen is the largest event time that was merged; nil before the first.
	Seen *time.Time `json:"seen,omitempty"`
	// End is the offset behind the last record of which the task knew; nil for none.
	End *int64 `json:"end,omitempty"`
}

// Lag is how many records the task knew of and had not merged, where it knew of any end.
func (s Source) Lag() (n int64, known bool) {
	if s.End == nil {
		return 0, false
	}
	return max(*s.End-s.Next, 0), true
}

// Line is the account of an operator for a topic since the stream began: every event that
// came in has one of the outcomes behind it.
type Line struct {
	Operator  string `json:"operator"`
	Topic     string `json:"topic"`
	In        int64  `json:"in,omitempty"`
	Passed    int64  `json:"passed,omitempty"`
	Held      int64  `json:"held,omitempty"`
	Duplicate int64  `json:"duplicate,omitempty"`
	Late      int64  `json:"late,omitempty"`
	Orphan    int64  `json:"orphan,omitempty"`
	Invalid   int64  `json:"invalid,omitempty"`
	Future    int64  `json:"future,omitempty"`
}
