// Package statefulkafka reads Kafka topics as tasks that merge their partitions by
// event time and run stateful operators.
package statefulkafka

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

const (
	fieldBrokers        = "seed_brokers"
	fieldTopics         = "topics"
	fieldGroup          = "consumer_group"
	fieldStopAtEnd      = "stop_at_end"
	fieldIdleTimeout    = "idle_timeout"
	fieldStateDir       = "state_dir"
	fieldSessionTimeout = "session_timeout"
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
	if c.dropState, err = conf.FieldStringList(host.FieldDropState); err != nil {
		return c, err
	}
	if c.stateDir, err = conf.FieldString(fieldStateDir); err != nil {
		return c, err
	}
	if c.fs = vfs.FS(vfs.Default); c.stateDir == "" {
		c.fs = vfs.NewMem()
	}
	if c.stopAtEnd, err = conf.FieldBool(fieldStopAtEnd); err != nil {
		return c, err
	}
	if c.cacheSize, err = host.CacheSize(conf); err != nil {
		return c, err
	}
	if c.opts, err = host.ParseOptions(conf); err != nil {
		return c, err
	}
	idle, err := host.LongerThanZero(conf, host.FieldWatermark, fieldIdleTimeout)
	if err != nil {
		return c, err
	}
	session, err := host.LongerThanZero(conf, fieldSessionTimeout)
	c.opts.IdleTimeout, c.sessionTimeout = idle.Std(), session.Std()
	return c, err
}

// lintAll finds what no single field shows. Whether a text is a duration at all is
// for its field to say.
var lintAll = `root = [
  if this.seed_brokers.or([]).filter(b -> b.replace_all(",", "").trim() != "").length().catch(1) == 0 { "seed_brokers: names no broker" },
  if this.topics.or([]).length().catch(1) == 0 { "topics: names no topic" },
  if this.topics.or([]).unique().length().catch(0) < this.topics.or([]).length().catch(0) { "topics: one is named twice" },
  ` + host.LintLongerThanZero(host.FieldCommitInterval) + `,
  ` + host.LintLongerThanZero(fieldSessionTimeout) + `,
  ` + host.LintLongerThanZero(host.FieldWatermark+"."+fieldIdleTimeout) + `
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

`+host.ManyRows+`

`+host.Changes+`

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
			service.NewObjectField(host.FieldWatermark,
				host.OutOfOrdernessField("How far behind the largest event time of its partition an event may be without being late."),
				host.DurationField(fieldIdleTimeout, "How long a partition stands at its end, while others deliver, before it is idle.").Default("1m"),
				host.MaxFutureField(),
			).Description("How event time passes."),
			service.NewBoolField(fieldStopAtEnd).Description("Read to the end that is found at the start, emit everything as final and stop.").Default(false),
			host.BatchSizeField(),
			host.RowsPerMessageField(),
			host.EmitIntervalField(),
			service.NewStringField(fieldStateDir).Description("Folder of the local copies of the state, one below it per group and task. Several processes of one machine may share it. Empty: the state is kept in memory and in Kafka, from where every start has to read it.").Default(".tidemark/state"),
			host.CacheSizeField(),
			host.DurationField(fieldSessionTimeout, "How long the process may be silent before its tasks are given to others. A process that comes back within that time has its tasks again at once.").Default("10s").Advanced(),
			host.CommitIntervalField("The time between two commits. Under load a task commits after 200,000 records in any case, as what they have changed stays in memory until then.").Advanced(),
			host.DropStateField(),
			host.ProcessorsField(),
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
