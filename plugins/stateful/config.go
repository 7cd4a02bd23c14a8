// Package stateful runs stateful operators around any other input of Benthos.
package stateful

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/redpanda-data/benthos/v4/public/bloblang"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

const (
	fieldName        = "name"
	fieldInput       = "input"
	fieldTasks       = "tasks"
	fieldKey         = "key"
	fieldTopic       = "topic"
	fieldEventTime   = "event_time"
	fieldMaxInFlight = "max_in_flight"
	fieldStateDir    = "state_dir"
)

type config struct {
	name        string
	tasks       int
	keyText     string // as it was configured, empty for the default
	key, time   *bloblang.Executor
	topic       *service.InterpolatedString
	maxInFlight int
	opts        host.Options
	// stateDir is empty for state that ends with the process.
	stateDir  string
	cacheSize int64    // bytes
	dropState []string // labels whose state may be dropped
	fs        vfs.FS
}

// streamName is what a folder can be named after.
var streamName = regexp.MustCompile(namePattern)

const namePattern = `^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,238}$`

// mostTasks is more than a machine has use for.
const mostTasks = 1024

func parse(conf *service.ParsedConfig) (c config, err error) {
	if c.name, err = conf.FieldString(fieldName); err != nil {
		return c, err
	}
	if !streamName.MatchString(c.name) {
		return c, fmt.Errorf("%s: %q names a folder: letters, digits, '.', '_' and '-' only, 239 at most", fieldName, c.name)
	}
	if c.tasks, err = conf.FieldInt(fieldTasks); err != nil {
		return c, err
	}
	if c.tasks < 1 || c.tasks > mostTasks {
		return c, fmt.Errorf("%s: must be a number from 1 to %d", fieldTasks, mostTasks)
	}
	if conf.Contains(fieldKey) {
		if c.keyText, err = conf.FieldString(fieldKey); err != nil {
			return c, err
		}
		if c.key, err = conf.FieldBloblang(fieldKey); err != nil {
			return c, fmt.Errorf("%s: %w", fieldKey, err)
		}
	}
	if conf.Contains(fieldEventTime) {
		if c.time, err = conf.FieldBloblang(fieldEventTime); err != nil {
			return c, fmt.Errorf("%s: %w", fieldEventTime, err)
		}
	}
	if conf.Contains(fieldTopic) {
		if c.topic, err = conf.FieldInterpolatedString(fieldTopic); err != nil {
			return c, fmt.Errorf("%s: %w", fieldTopic, err)
		}
	}
	if c.maxInFlight, err = conf.FieldInt(fieldMaxInFlight); err != nil {
		return c, err
	}
	if c.maxInFlight < 1 {
		return c, fmt.Errorf("%s: must be at least 1", fieldMaxInFlight)
	}
	if c.stateDir, err = conf.FieldString(fieldStateDir); err != nil {
		return c, err
	}
	c.fs = memoryOr(c.stateDir)
	if c.cacheSize, err = host.CacheSize(conf); err != nil {
		return c, err
	}
	if c.dropState, err = conf.FieldStringList(host.FieldDropState); err != nil {
		return c, err
	}
	c.opts, err = host.ParseOptions(conf)
	c.opts.IdleTimeout = neverIdle
	return c, err
}

// extractor makes arrivals as the config says.
func (c *config) extractor() extractor {
	return extractor{name: c.name, tasks: c.tasks, key: c.key, time: c.time, topic: c.topic, rows: host.NewRows()}
}

var lintAll = `root = [
  ` + host.LintLongerThanZero(host.FieldCommitInterval) + `
]`

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Categories("Stateful").
		Summary("Runs stateful operators around any other input: deduplication, joins and windows in event time, with their state on the disk.").
		Description(`
The messages of `+"`input`"+` are divided among **tasks** by the hash of their key and driven through `+"`processors`"+`, which are constructed once per task, in the order in which they come. So events that belong together need the same key. Where the source is Kafka, `+"`stateful_kafka`"+` does better: its tasks spread over many processes, and it merges backlogs by event time. A stream of `+"`stateful`"+` runs in one process.

The **watermark** is the largest event time of the whole input less `+"`max_out_of_orderness`"+`, the same for all tasks, whichever of them has the message. It never goes back, and stands while no message comes. An event time beyond the clock by more than `+"`max_future`"+` moves nothing.

A message that is an object, or JSON text of one, is an event with its fields; other payloads are decoded by the first operator, such as `+"`avro_decode`"+`, or by a processor. Metadata are its headers. A message of which no event can be made, because it has no event time or key, or because a processor of the inner input failed, is `+"`invalid`"+`.

Events that are rejected (late, orphan, invalid, future) leave as messages of the metadata `+"`tidemark_kind: dead_letter`"+`; results have `+"`tidemark_kind: row`"+` and the label of their operator in `+"`tidemark_operator`"+`. Send each to an output of its own, e.g. with `+"`switch`"+`. In dead letters, and in the metadata `+"`kafka_partition` and `kafka_offset`"+`, the partition is the number of the task and the offset the number of the message among those of the task.

When the inner input ends, as files do, everything that is open is closed as if event time had come to its end, the account of every operator is logged and the stream ends. That last step is not part of the committed state, so the next run goes on with more data, and a ledger such as `+"`pg_upsert`"+` withdraws what the step said.

`+host.ManyRows+`

`+host.Changes+`

### Delivery guarantees

The state of a task is committed every `+"`commit_interval`"+`, in one write to the disk, after the outputs have taken everything that follows from it. Then its messages are acknowledged. What is not acknowledged when the process ends is refused, or simply never answered, and its source delivers it again; a source that does not, such as a file that is read from its start, has to bring it again itself.

So no crash loses a message whose source repeats what was not acknowledged. A message counts **once** where events have an id and `+"`dedup`"+` stands first: one that comes again, after a crash between the commit and the acknowledgement, or because the client did not hear the answer, is known then. Without `+"`dedup`"+` such a message counts again: at least once into the state. Nothing but the end of the process makes a message come again: when an output refuses a batch, the task starts again from its last commit and is given the same messages from memory.

What a run had emitted and not committed is emitted again by the next one: an output that keeps a ledger (`+"`pg_upsert`"+`) withdraws the former; other outputs see rows at least once.

The folder `+"`state_dir/name`"+` is the only place that has the state, and belongs to one process at a time: back it up as you would a database. A stream whose rows are in a ledger's database and whose folder is gone refuses to start; only the rows of its very first run are withdrawn instead.

### Waiting sources

A source that waits for its acknowledgement, such as a client of `+"`http_server`"+`, waits for the next commit: half of `+"`commit_interval`"+` on average, and as long as the outputs take. Shorten it for such sources (50ms is fine), and let clients send several events in a request, or several requests at a time. At most `+"`max_in_flight`"+` messages wait; where they are that many, the tasks commit at once.`).
		Fields(
			service.NewStringField(fieldName).Description("Names the stream: its rows, and the folder of its state. No other stream may have it.").
				LintRule(`root = if !this.string().re_match(`+strconv.Quote(namePattern)+`) { ["%q names a folder: letters, digits, '.', '_' and '-' only".format(this)] }`).Example("shop"),
			service.NewInputField(fieldInput).Description("Where the messages come from."),
			service.NewIntField(fieldTasks).Description("The number of tasks, which work in parallel. State belongs to it: another number needs the state to be dropped with `tidemark state reset`.").Default(1).
				LintRule(fmt.Sprintf(`root = if this < 1 || this > %d { ["must be a number from 1 to %d"] }`, mostTasks, mostTasks)),
			service.NewBloblangField(fieldKey).Description("The key of a message: its hash decides the task. By default the metadata `kafka_key`, which with one task may be missing. With several tasks state belongs to this mapping as to their number.").Optional().
				Example("this.order_id").Example(`@http_server_request_path`),
			service.NewInterpolatedStringField(fieldTopic).Description("What operators take for the topic of a message, e.g. to tell the streams of a `join` apart. By default the metadata `kafka_topic`, or the name of the stream where there is none. Operators account for each topic, so there should be few.").Optional().
				Example(`${! this.type }`),
			service.NewBloblangField(fieldEventTime).Description("The event time of a message: a timestamp, its text in RFC 3339, or milliseconds since 1970. By default the metadata `kafka_timestamp_ms`.").Optional().
				Example("this.event_time").Example("this.seconds * 1000").Example("now()"),
			service.NewObjectField(host.FieldWatermark,
				host.OutOfOrdernessField("How far behind the largest event time of the input an event may be without being late."),
				host.MaxFutureField(),
			).Description("How event time passes."),
			service.NewIntField(fieldMaxInFlight).Description("The most messages that are read and not yet acknowledged, which are kept in memory. A batch of the inner input is taken as a whole.").Default(10000).
				LintRule(`root = if this < 1 { ["must be at least 1"] }`),
			host.CommitIntervalField("The time between two commits, and so the longest time that a message waits for its acknowledgement while the outputs keep pace."),
			service.NewStringField(fieldStateDir).Description("Folder of the state, with one below it for each stream. Empty: the state is kept in memory and ends with the process.").Default(".tidemark/state"),
			host.BatchSizeField(),
			host.RowsPerMessageField(),
			host.EmitIntervalField(),
			host.CacheSizeField(),
			host.DropStateField(),
			host.ProcessorsField(),
		).
		LintRule(lintAll).
		Example("Sales over HTTP", "Events are posted to a web server; the value of the items sold in each minute goes to Postgres. A post is answered when its event is in the state and its rows are in the database.", `
input:
  stateful:
    name: sales
    input:
      http_server:
        address: 127.0.0.1:8080
        path: /events
    tasks: 2
    key: this.order_id
    event_time: this.event_time
    commit_interval: 50ms
    processors:
      - dedup: { key: event_id, ttl: 7d }
      - label: sales
        window:
          size: 1m
          aggregates:
            revenue: { sum: { field: price } }
`)
}
