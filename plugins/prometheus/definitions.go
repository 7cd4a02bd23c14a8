// Package prometheus shows the figures of the streams of this process as metrics of
// Prometheus. Each is defined in one place: what is collected and what the page of
// metrics says are both made of the definitions.
package prometheus

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Kind is the type of a metric.
type Kind string

// Types of metrics.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Definition says what a metric is.
type Definition struct {
	Name   string
	Kind   Kind
	Unit   string // what one is
	Labels []string
	Help   string // one sentence
	More   string // for the page; may be empty

	desc *prometheus.Desc
}

// Definitions are all metrics, in the order of the page.
func Definitions() []*Definition { return definitions }

var definitions []*Definition

func define(name string, k Kind, unit, labels, help, more string) *Definition {
	d := &Definition{Name: name, Kind: k, Unit: unit, Labels: strings.Fields(labels), Help: help, More: more}
	d.desc = prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
	definitions = append(definitions, d)
	return d
}

// one is a value of the metric.
func (d *Definition) one(value float64, labels ...string) prometheus.Metric {
	t := prometheus.GaugeValue
	if d.Kind == Counter {
		t = prometheus.CounterValue
	}
	return prometheus.MustNewConstMetric(d.desc, t, value, labels...)
}

// many is a distribution of the metric.
func (d *Definition) many(v meter.Distribution, labels ...string) prometheus.Metric {
	below := make(map[float64]uint64, len(v.Below))
	for bound, n := range v.Below {
		below[bound.Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(d.desc, v.Count, v.Sum.Seconds(), below, labels...)
}

// Outcomes of an event that are counted: those of the account that never go back.
func outcomes() []task.Outcome {
	return []task.Outcome{task.Passed, task.Duplicate, task.Late, task.Orphan, task.Invalid, task.Future}
}

// values lists what a label may be.
func values[T fmt.Stringer](all []T) string {
	var b []string
	for _, v := range all {
		b = append(b, "`"+v.String()+"`")
	}
	return strings.Join(b, ", ")
}

// The metrics.
var (
	tasks = define("tidemark_tasks", Gauge, "tasks", "stream state",
		"Tasks that this process has.",
		"`restoring` until the state of the last commit is there, and between two runs of a task; then `running`. The sum over the processes is the number of partitions when all is well.")
	watermark = define("tidemark_watermark_timestamp_seconds", Gauge, "seconds since 1970, event time", "stream task",
		"Watermark of a task: events before it are late.",
		"That of `tidemark_tasks` in Postgres, which has it as of the last commit. Absent until the task has seen a record. `time() - tidemark_watermark_timestamp_seconds` is its distance from the clock where events are live.")
	holder = define("tidemark_watermark_holder", Gauge, "1 or 0", "stream task topic partition",
		"1 for the partition that holds the watermark of its task, 0 for the others.",
		"It has come least far in event time of those that are not idle. `tidemark_watermark_holder == 1` names it. Where all are idle, none is.")
	waited = define("tidemark_merge_waits", Gauge, "1 or 0", "stream task topic partition",
		"1 for a partition for whose next record, or the news that none follows, the task waits.",
		"Records of other partitions wait meanwhile. For longer than some seconds it says that the brokers of that partition do not answer, or that a transaction is open.")
	idle = define("tidemark_partition_idle", Gauge, "1 or 0", "stream task topic partition",
		"1 for a partition that has stood at its end for idle_timeout while others delivered.", "It holds nothing until its next record.")
	seen = define("tidemark_merged_timestamp_seconds", Gauge, "seconds since 1970, event time", "stream task topic partition",
		"Largest event time that was merged of a partition.", "Absent before the first record.")
	lagRecords = define("tidemark_lag_records", Gauge, "records", "stream task topic partition",
		"Records of a partition that the task has not merged.",
		"From the last stable offset that the brokers told: 0 behind all that is committed, whatever transactions are open. With `stateful`, which knows no end, messages that the inner input has handed out and that are not merged.")
	lagSeconds = define("tidemark_lag_seconds", Gauge, "seconds of event time", "stream task topic partition",
		"Event time between the newest record of a partition and the newest that was merged.",
		"0 where no record waits. A look at it has the brokers asked, so under a backlog it is as of the look before. Records beyond `max_future` do not count; while the newest of all is one, only what was received does. With `stateful` it is told only where it is 0.")
	waiting = define("tidemark_waiting_records", Gauge, "records", "stream task topic partition",
		"Records that were received and wait in memory to be merged.", "")
	events = define("tidemark_events_total", Counter, "events", "stream task operator topic",
		"Events that came to an operator.",
		"Counted when they are committed, by the process that commits them: so each counts once, however often a run is repeated, and the sum over the processes since the stream began is the account that a bounded run prints. The operator `input` stands for the records that were read.")
	outcome = define("tidemark_event_outcomes_total", Counter, "events", "stream task operator topic outcome",
		"Events by what became of them at an operator.",
		"Outcomes are "+values(outcomes())+". With `tidemark_held_events` they add up to `tidemark_events_total`: nothing is dropped silently.")
	held = define("tidemark_held_events", Gauge, "events", "stream task operator topic",
		"Events that an operator holds until it is known what becomes of them, as of the last commit.", "Children of a join that wait for their anchor.")
	keys = define("tidemark_state_keys", Gauge, "keys", "stream task operator",
		"Keys that an operator remembers, as of the last commit.", "Deleted ones are among them until they are written to the disk.")
	hot = define("tidemark_state_memory_bytes", Gauge, "bytes", "stream task operator",
		"Memory that the keys of an operator take, about, as of the last commit.", "")
	disk = define("tidemark_state_disk_bytes", Gauge, "bytes", "stream task",
		"Disk that the local store of a task takes.", "")
	lookups = define("tidemark_state_lookups_total", Counter, "keys", "stream task operator result",
		"Keys that an operator looked for and has, by where they were found.",
		"`hit`: in memory; `miss`: read from the disk. More misses than some per cent ask for a larger `cache_size`. Keys that it does not have cost no read, and do not count.")
	commits = define("tidemark_commit_duration_seconds", Histogram, "seconds", "stream phase",
		"Time of commits by phase; a task merges nothing meanwhile.",
		"`outputs`: until the outputs have acknowledged what was emitted; `state`: until state and offsets last; `ledgers`: until the outputs know. Commits of which there was nothing to commit do not count.")
	commitFailures = define("tidemark_commit_failures_total", Counter, "commits", "stream",
		"Commits that failed; the task starts again from the one before.", "")
	restarts = define("tidemark_task_restarts_total", Counter, "runs", "stream",
		"Runs of tasks that an error has ended; the log has it.", "What they had not committed is computed again.")
	remaining = define("tidemark_restore_remaining_records", Gauge, "changelog records", "stream task",
		"Records of the changelog that a restoring task has still to read.", "0 while it runs.")
	restored = define("tidemark_restored_records_total", Counter, "changelog records", "stream",
		"Records of changelogs that were read to restore state.", "")
	rebalances = define("tidemark_rebalances_total", Counter, "rebalances", "stream change",
		"Rebalances of the consumer group that moved tasks of this process.",
		"`assigned`: tasks came; `revoked`: they went to another process in peace; `lost`: this process was silent beyond the session timeout.")
	rows = define("tidemark_pg_upsert_rows_total", Counter, "rows", "stream table outcome",
		"Rows of the output pg_upsert by what became of them.",
		"`written`; `superseded`: a newer value of the row was in the same batch; `refused`: Postgres takes no such value, and the row is a dead letter.")
	latency = define("tidemark_row_latency_seconds", Histogram, "seconds", "stream",
		"Time from the arrival of the first record that a row may tell of to the acknowledgement of the row by the outputs.",
		"By the wall clock, in this process, so it tells of live events and of a replay of old ones alike: what fetching, merging, `emit_interval`, the outputs and retries add. It is counted for each row and dead letter, from the oldest record that came in since the operators last told all they had; so it is a bound rather than an estimate. How far events are behind the clock when they arrive is not in it: see the watermark.")
)
