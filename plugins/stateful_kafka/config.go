// Package statefulkafka reads Kafka topics as tasks that merge their partitions by
// event time and run stateful operators.
package statefulkafka

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/dustin/go-humanize"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

const (
	fieldBrokers        = "seed_brokers"
	fieldTopics         = "topics"
	fieldGroup          = "consumer_group"
	fieldBatchSize      = "batch_size"
	fieldRowsPerMessage = "rows_per_message"
	fieldEmitInterval   = "emit_interval"
	fieldCommitInterval = "commit_interval"
	fieldStopAtEnd      = "stop_at_end"
	fieldWatermark      = "watermark"
	fieldOutOfOrderness = "max_out_of_orderness"
	fieldIdleTimeout    = "idle_timeout"
	fieldMaxFuture      = "max_future"
	fieldStateDir       = "state_dir"
	fieldCacheSize      = "cache_size"
	fieldSessionTimeout = "session_timeout"
	fieldProcessors     = "processors"
	fieldDropState      = "drop_state"
)

type config struct {
	brokers   []string
	topics    []string
	group     string
	stopAtEnd bool
	opts      host.Options
	// stateDir is empty for state that is kept in Kafka only.
	stateDir       string
	cacheSize      int64 // bytes
	sessionTimeout time.Duration
	dropState      []string // labels whose state may be dropped

	// The rest is for tests.
	fs       vfs.FS    // of the local stores
	instance string    // instance id of the group's member
	client   []kgo.Opt // more settings of the Kafka clients
}

// broker is a name or address, that of IPv6 in brackets, and a port.
var broker = regexp.MustCompile(brokerPattern)

const brokerPattern = `^([^:\[\]\s]+|\[[0-9a-fA-F:.%]+\])(:[0-9]{1,5})?$`

// groupName is what a topic and a folder can be named after: Kafka takes 249
// characters for the former, and "-changelog" has ten.
var groupName = regexp.MustCompile(groupPattern)

const groupPattern = `^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,238}$`

func parse(conf *service.ParsedConfig) (c config, err error) {
	brokers, err := conf.FieldStringList(fieldBrokers)
	if err != nil {
		return c, err
	}
	for i, b := range brokers {
		for _, one := range strings.Split(b, ",") {
			if one = strings.TrimSpace(one); one == "" {
				continue
			}
			if !broker.MatchString(one) {
				return c, fmt.Errorf("%s.%d: %q is not of the form host:port", fieldBrokers, i, one)
			}
			c.brokers = append(c.brokers, one)
		}
	}
	if len(c.brokers) == 0 {
		return c, fmt.Errorf("%s: names no broker", fieldBrokers)
	}
	if c.topics, err = conf.FieldStringList(fieldTopics); err != nil {
		return c, err
	}
	if len(c.topics) == 0 {
		return c, fmt.Errorf("%s: names no topic", fieldTopics)
	}
	for i, t := range c.topics {
		if t == "" || slices.Contains(c.topics[:i], t) {
			return c, fmt.Errorf("%s.%d: %q is empty or named twice", fieldTopics, i, t)
		}
	}
	if c.group, err = conf.FieldString(fieldGroup); err != nil {
		return c, err
	}
	if c.group == "" {
		return c, fmt.Errorf("%s: is empty", fieldGroup)
	}
	if !groupName.MatchString(c.group) {
		return c, fmt.Errorf("%s: %q names a topic and a folder too: letters, digits, '.', '_' and '-' only, 239 at most", fieldGroup, c.group)
	}
	if c.dropState, err = conf.FieldStringList(fieldDropState); err != nil {
		return c, err
	}
	if c.stateDir, err = conf.FieldString(fieldStateDir); err != nil {
		return c, err
	}
	if c.fs = vfs.FS(vfs.Default); c.stateDir == "" {
		c.fs = vfs.NewMem()
	}
	if c.cacheSize, err = size(conf, fieldCacheSize); err != nil {
		return c, err
	}
	if c.stopAtEnd, err = conf.FieldBool(fieldStopAtEnd); err != nil {
		return c, err
	}
	for field, n := range map[string]*int{fieldBatchSize: &c.opts.BatchSize, fieldRowsPerMessage: &c.opts.RowsPerMessage} {
		if *n, err = conf.FieldInt(field); err != nil {
			return c, err
		}
		if *n < 1 {
			return c, fmt.Errorf("%s: must be at least 1", field)
		}
	}
	for _, d := range []struct {
		to   func(event.Duration)
		min  event.Duration
		path []string
	}{
		{func(d event.Duration) { c.sessionTimeout = d.Std() }, 1, []string{fieldSessionTimeout}},
		{func(d event.Duration) { c.opts.EmitInterval = d.Std() }, 0, []string{fieldEmitInterval}},
		{func(d event.Duration) { c.opts.CommitInterval = d.Std() }, 1, []string{fieldCommitInterval}},
		{func(d event.Duration) { c.opts.IdleTimeout = d.Std() }, 1, []string{fieldWatermark, fieldIdleTimeout}},
		{func(d event.Duration) { c.opts.MaxFuture = d.Std() }, 0, []string{fieldWatermark, fieldMaxFuture}},
		{func(d event.Duration) { c.opts.MaxOutOfOrderness = d }, 0, []string{fieldWatermark, fieldOutOfOrderness}},
	} {
		length, err := host.Duration(conf, d.path...)
		if err == nil && length < d.min {
			err = fmt.Errorf("%s: must be longer than 0", d.path[len(d.path)-1])
		}
		if err != nil {
			return c, fmt.Errorf("%s%w", prefix(d.path), err)
		}
		d.to(length)
	}
	return c, nil
}

// size is the number of bytes that a field names.
func size(conf *service.ParsedConfig, field string) (int64, error) {
	text, err := conf.FieldString(field)
	if err != nil {
		return 0, err
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n < minCache || n > math.MaxInt64 {
		return 0, fmt.Errorf("%s: %q is not a size of %s at least, such as 64MiB", field, text, humanize.IBytes(minCache))
	}
	return int64(n), nil
}

// minCache is below what Pebble works with.
const minCache = 1 << 20

// prefix is the path of a field as far as its own name, which errors begin with.
func prefix(path []string) (p string) {
	for _, object := range path[:len(path)-1] {
		p += object + "."
	}
	return p
}

// lintAll finds what no single field shows. Whether a text is a duration at all is
// for its field to say.
const lintAll = `root = [
  if this.seed_brokers.or([]).filter(b -> b.replace_all(",", "").trim() != "").length().catch(1) == 0 { "seed_brokers: names no broker" },
  if this.topics.or([]).length().catch(1) == 0 { "topics: names no topic" },
  if this.topics.or([]).unique().length().catch(0) < this.topics.or([]).length().catch(0) { "topics: one is named twice" },
  if this.commit_interval.or("1s").string().re_match("^([0.]+[a-zµ]*)+$") { "commit_interval: must be longer than 0" },
  if this.session_timeout.or("1s").string().re_match("^([0.]+[a-zµ]*)+$") { "session_timeout: must be longer than 0" },
  if this.watermark.idle_timeout.or("1s").string().re_match("^([0.]+[a-zµ]*)+$") { "watermark.idle_timeout: must be longer than 0" }
]`

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Categories("Stateful").
		Summary("Reads Kafka topics in the order of event time and runs stateful operators: deduplication, joins, windows.").
		Description(`
Partition p of all topics makes a **task**: its records are merged by event time (the record's timestamp) and driven through `+"`processors`"+`, which are constructed once per task. So all topics must have the same number of partitions, and events that belong together the same key.

The **watermark** of a task is the smallest, over its partitions, of the largest event time seen less `+"`max_out_of_orderness`"+`. It never goes back. A partition that has stood at the end which the broker confirms for `+"`idle_timeout`"+`, while another partition of the task delivered, is idle: it holds neither watermark nor merge until its next record. A slow or unreachable broker, an open transaction or a stalled output make no partition idle.

Events that an operator rejects (late, orphan, invalid, future) leave as messages of the metadata `+"`tidemark_kind: dead_letter`"+`; results have `+"`tidemark_kind: row`"+` and the label of their operator in `+"`tidemark_operator`"+`. Send each to an output of its own, e.g. with `+"`switch`"+`.

With `+"`stop_at_end`"+` the input reads to the end offsets that it finds at its start, closes everything that is open as if event time had come to its end, logs the account of every operator and ends.

### Many rows in a message

A message costs Benthos and the outputs many times what a row costs a task. With `+"`rows_per_message`"+` above 1, a message carries up to that many rows of one operator, and the metadata of the last of them; as bytes it is a JSON array of the objects that single messages would hold. `+"`pg_upsert`"+` takes such messages as they are, with the same rows in the same tables as otherwise, and `+"`switch`"+` can tell them apart by their metadata. Bloblang does not look inside and finds every field null: leave it at 1 where a processor, or a condition of an output, reads fields of a row, or where an output writes one message for each row. Dead letters are always messages of their own.

### Changes of a running stream

State belongs to the label of its operator: a stream whose config changes, by a reload or a restart, goes on with the state of all operators that it still has; give each a label, since without one it is named by its place. What comes before and behind operators (decoders, mappings, conditions of outputs, the outputs themselves) may change freely, and what was counted before stays counted. An operator that is new starts empty. One whose own definition has changed keeps the stream from starting, unless its `+"`on_change`"+` is `+"`reset`"+`; so does one that is gone, unless `+"`drop_state`"+` names it. The state is whole in either case: the former config goes on with it.

### Delivery guarantees

The state of a task is committed every `+"`commit_interval`"+`, in one Kafka transaction with the consumed offsets, to the compacted topic `+"`<consumer_group>-changelog`"+`, after the outputs have taken everything that follows from it. `+"`state_dir`"+` holds a copy. So no crash, rebalance or pause loses an event or counts one twice in the state. What a run had emitted and not committed is emitted again by the next one: an output that keeps a ledger (`+"`pg_upsert`"+`) withdraws the former, and its rows are exactly-once; other outputs see rows at least once. A message that an output refuses ends the run of its task, which starts again from its last commit.

Processes of the same `+"`consumer_group`"+` share the tasks, also on several machines. Where topics, committed offsets and state do not belong together, as after a reset of the offsets, the stream refuses to start.`).
		Fields(
			service.NewStringListField(fieldBrokers).Description("Brokers to begin with; an entry may hold several, separated by commas.").Example([]any{"localhost:9092"}).
				LintRule(`root = if this.type() == "string" { this.split(",").map_each(b -> b.trim()).filter(b -> b != "" && !b.re_match(`+strconv.Quote(brokerPattern)+`)).map_each(b -> "%q is not of the form host:port".format(b)) }`),
			service.NewStringListField(fieldTopics).Description("The topics. Events of the same time are merged in the order of this list.").
				LintRule(`root = if this == "" { ["is empty"] }`),
			service.NewStringField(fieldGroup).Description("Names the stream: its rows, and what it keeps in Kafka.").
				LintRule(`root = if this == "" { ["is empty"] } else if !this.string().re_match(`+strconv.Quote(groupPattern)+`) { ["names a topic and a folder too: letters, digits, '.', '_' and '-' only"] }`),
			service.NewObjectField(fieldWatermark,
				host.DurationField(fieldOutOfOrderness, "How far behind the largest event time of its partition an event may be without being late.").Default("2m"),
				host.DurationField(fieldIdleTimeout, "How long a partition stands at its end, while others deliver, before it is idle.").Default("1m"),
				host.DurationField(fieldMaxFuture, "How far beyond the wall clock an event time may lie; later ones become dead letters.").Default("10m"),
			).Description("How event time passes."),
			service.NewBoolField(fieldStopAtEnd).Description("Read to the end that is found at the start, emit everything as final and stop.").Default(false),
			service.NewIntField(fieldBatchSize).Description("The most records that are processed in one go and the most rows of a batch. It changes speed, not results.").Default(1024).
				LintRule(`root = if this < 1 { ["must be at least 1"] }`).Advanced(),
			service.NewIntField(fieldRowsPerMessage).Description("The most rows of one message, and no more than a batch holds. With more than one, results leave as described under *Many rows in a message*.").Default(1).
				LintRule(`root = if this < 1 { ["must be at least 1"] }`).Advanced(),
			host.DurationField(fieldEmitInterval, "The longest time that a changed window waits to be emitted under load.").Default("1s").Advanced(),
			service.NewStringField(fieldStateDir).Description("Folder of the local copies of the state, one below it per group and task. Several processes of one machine may share it. Empty: the state is kept in memory and in Kafka, from where every start has to read it.").Default(".tidemark/state"),
			service.NewStringField(fieldCacheSize).Description("Memory that the tasks of this process share for state that is on the disk too, such as `64MiB`. State that changed since the last commit, and the ids of `dedup` (some 13 bytes each), come on top.").Default("64MiB").
				LintRule(`root = if !this.string().trim().re_match("(?i)^[0-9.,]+ ?([kmgtpe]i?b?|b)?$") { ["%q is not a size such as 64MiB".format(this)] }`).Advanced(),
			host.DurationField(fieldSessionTimeout, "How long the process may be silent before its tasks are given to others. A process that comes back within that time has its tasks again at once.").Default("10s").Advanced(),
			host.DurationField(fieldCommitInterval, "The time between two commits. Under load a task commits after 200,000 records in any case, as what they have changed stays in memory until then.").Default("1s").Advanced(),
			service.NewStringListField(fieldDropState).Description("Labels of operators that are gone from `processors`, and whose state goes with them, for ever. Without its name here, the state of an operator that is gone keeps the stream from starting: it may just have got another label. Once the state is dropped the name does nothing.").Default([]any{}).Advanced(),
			service.NewProcessorListField(fieldProcessors).Description("Operators and processors, run once per task.").Default([]any{}),
		).
		LintRule(lintAll).
		Example("Sales by minute", "The value of the items sold in each minute, in Postgres.", `
input:
  stateful_kafka:
    seed_brokers: [ localhost:9092 ]
    topics: [ olist.order_items ]
    consumer_group: sales
    watermark: { max_out_of_orderness: 2m }
    processors:
      - avro_decode:
          topics:
            olist.order_items: { schema: configs/avro/order_item.avsc }
      - dedup: { key: event_id, ttl: 7d }
      - label: sales
        window:
          size: 1m
          aggregates:
            revenue: { sum: { field: price } }
`)
}
