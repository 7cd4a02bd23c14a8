package streams

import (
	"time"

	"github.com/tidemark-streams/tidemark/internal/survey"
	"github.com/tidemark-streams/tidemark/plugins/figures"
)

// Snapshot is the operator's view of the live page, as of one moment. Null stands for what
// is not known.
type Snapshot struct {
	AsOf        time.Time   `json:"as_of"`
	Kafka       Kafka       `json:"kafka"`
	Streams     []Stream    `json:"streams"` // by name
	DeadLetters DeadLetters `json:"dead_letters"`
}

// Kafka says whether the brokers have answered. Where they have not, tasks are shown as they
// were at their last commit.
type Kafka struct {
	Reachable bool   `json:"reachable"`
	Error     string `json:"error"` // one line; empty where they have
}

// Stream is how a stream stands.
type Stream struct {
	Stream string `json:"stream"`
	// Watermark is the least of its tasks that have seen a record and have not ended.
	Watermark  *time.Time `json:"watermark"`
	Ended      bool       `json:"ended"` // all that have seen a record have come to the end of their input
	Lag        *int64     `json:"lag"`   // records
	Throughput float64    `json:"throughput"`
	Rows       int64      `json:"rows"` // that tasks have emitted and committed, ever
	Tasks      []Task     `json:"tasks"`
	Account    []Line     `json:"account"`
}

// Values of Task.State.
const (
	Running = "running"
	Unowned = "unowned" // no process of the group has it
	Unknown = "unknown" // Kafka does not say, or has nothing to do with the stream
)

// Task is how a task stands.
type Task struct {
	Task       int32              `json:"task"`
	State      string             `json:"state"`
	Owner      *survey.Owner      `json:"owner"`
	Generation int64              `json:"generation"` // 0 where it has never begun
	Seq        int64              `json:"seq"`        // number of its last committed emission
	Watermark  *time.Time         `json:"watermark"`
	Ended      bool               `json:"ended"` // its watermark is the end of time
	Holder     *figures.Partition `json:"holder"`
	Lag        *int64             `json:"lag"`
	// Throughput is in events a second over the last ten seconds.
	Throughput float64         `json:"throughput"`
	Offsets    []Offset        `json:"offsets"`
	Commit     *figures.Commit `json:"commit"`
	Store      *Store          `json:"store"`
	Operators  []Operator      `json:"operators"`
}

// Offset is where a task stands in a partition.
type Offset struct {
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Committed *int64     `json:"committed"`
	End       *int64     `json:"end"`
	Lag       *int64     `json:"lag"`
	Newest    *time.Time `json:"newest"` // event time that the task has seen of it
}

// Store is what a task has stored.
type Store struct {
	Keys   int64 `json:"keys"`
	Memory int64 `json:"memory_bytes"`
	Disk   int64 `json:"disk_bytes"`
}

// Operator is what an operator has stored.
type Operator struct {
	Operator string `json:"operator"`
	Keys     int64  `json:"keys"`
	Memory   int64  `json:"memory_bytes"`
}

// Line is the account of an operator for a topic, over all tasks, since the stream began.
type Line struct {
	Operator  string `json:"operator"`
	Topic     string `json:"topic"`
	In        int64  `json:"in"`
	Passed    int64  `json:"passed"`
	Held      int64  `json:"held"`
	Duplicate int64  `json:"duplicate"`
	Late      int64  `json:"late"`
	Orphan    int64  `json:"orphan"`
	Invalid   int64  `json:"invalid"`
	Future    int64  `json:"future"`
	Balanced  bool   `json:"balanced"` // every event that came in has one of the outcomes
}

// DeadLetters are the records that were refused or came too late.
type DeadLetters struct {
	Total  int64         `json:"total"`
	Groups []LetterGroup `json:"groups"` // by stream and reason
}

// LetterGroup are those of a stream with the same reason.
type LetterGroup struct {
	Stream   string    `json:"stream"`
	Reason   string    `json:"reason"`
	Count    int64     `json:"count"`
	Newest   time.Time `json:"newest"` // when the last was seen
	Examples []Letter  `json:"examples"`
}

// Letter is a dead letter. Detail and payload are cut.
type Letter struct {
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Offset    int64      `json:"offset"`
	EventTime *time.Time `json:"event_time"`
	Detail    string     `json:"detail"`
	Payload   string     `json:"payload"`
	SeenAt    time.Time  `json:"seen_at"`
}
