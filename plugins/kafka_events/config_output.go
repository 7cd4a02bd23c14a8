package kafkaevents

import (
	"fmt"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	fieldBrokers     = "seed_brokers"
	fieldTopic       = "topic"
	fieldKey         = "key"
	fieldTimestamp   = "timestamp_ms"
	fieldHeaders     = "headers"
	fieldCompression = "compression"
	fieldPartitioner = "partitioner"
	fieldClientID    = "client_id"
	fieldCheck       = "check_retention"
	fieldInFlight    = "max_in_flight"
	fieldBatching    = "batching"
)

var compressions = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

const (
	partitionMurmur2    = "murmur2"
	partitionRoundRobin = "round_robin"
)

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Categories("Services").
		Summary("Writes messages to Kafka as records that keep their event time as timestamp.").
		Description(`
Records are written with acks from all in-sync replicas and an idempotent producer: within one run Kafka stores each record once
and in order, however often it has to be sent. There is one exception: a broker that restarts goes by the timestamps of
records when it decides which producers it still knows, and forgets those of events that are older than a day
(`+"`producer.id.expiration.ms`"+`), so one that it had to be sent again just then may be there twice. Over a restart delivery is at least once, as the input repeats what was not acknowledged.

With `+"`max_in_flight: 1`"+` (and `+"`pipeline.threads: 1`"+`) records with equal keys keep the order of the input. With more, batches may overtake
each other; within a batch the order is kept.

While Kafka cannot be reached, at the start or later, messages wait for as long as it takes: nothing is dropped, and one line is logged
in 30 seconds. Some things no waiting can mend, and they end the stream with one line and a non-zero exit: a topic that does not exist, a
timestamp that the broker refuses, a topic that may not be written to. A record that is too large fails alone, so that a `+"`fallback`"+` output
can take it.

### Event times in the past

Kafka deletes records by their timestamps. Events of the past written to a topic with the default retention of seven days would be
gone within minutes, without an error. Before the first record for a topic its configuration is therefore read, and records are refused
that would not survive (`+"`cleanup.policy=delete` with `retention.ms`"+` over) or that would lose their event time (`+"`message.timestamp.type=LogAppendTime`"+`).
`+"`tidemark topics create`"+` creates topics that keep records for ever. A topic that is the unfinished
copy of another (`+"`tidemark topics repartition`"+`) is refused as well. `+"`check_retention: false`"+` turns this off.`).
		Example("Events with their own time", "Topic, key and time are taken from metadata.", `
output:
  kafka_events:
    seed_brokers: [ localhost:9092 ]
    topic: ${! @kafka_topic }
    key: ${! @kafka_key }
    timestamp_ms: ${! @kafka_timestamp_ms }
    headers:
      event_type: ${! @event_type }
`).
		Field(service.NewStringListField(fieldBrokers).
			Description("Brokers to connect to first. One entry may hold several, separated by commas.").
			Example([]string{"localhost:9092"}).
			LintRule(`root = if this.length() == 0 { "at least one broker is needed" }`)).
		Field(service.NewInterpolatedStringField(fieldTopic).
			Description("The topic of a message. It must exist.")).
		Field(service.NewInterpolatedStringField(fieldKey).
			Description("The key of a message; equal keys go to the same partition. Empty is no key.").
			Default("")).
		Field(service.NewInterpolatedStringField(fieldTimestamp).
			Description("The record's timestamp: the event time in milliseconds since 1970. Empty is the time of writing.").
			Default("").Example("${! @kafka_timestamp_ms }").
			Example(`${! this.event_time.ts_unix_milli() }`)).
		Field(service.NewInterpolatedStringMapField(fieldHeaders).
			Description("Headers of the record. One whose value comes out empty is left out.").
			Default(map[string]any{})).
		Field(service.NewStringEnumField(fieldCompression, "none", "gzip", "snappy", "lz4", "zstd").
			Description("How batches of records are compressed.").
			Default("lz4")).
		Field(service.NewStringAnnotatedEnumField(fieldPartitioner, map[string]string{
			partitionMurmur2:    "By the key's hash, the same as Java's default; records without a key go to one partition after the other, a batch at a time.",
			partitionRoundRobin: "One record after the other, whatever the key.",
		}).
			Description("How the partition is chosen.").
			Default(partitionMurmur2).
			Advanced()).
		Field(service.NewStringField(fieldClientID).
			Description("The name by which the broker's logs and quotas know this client.").
			Default("tidemark").
			Advanced()).
		Field(service.NewBoolField(fieldCheck).
			Description("Refuse records that the topic's configuration would delete or give another time.").
			Default(true).
			Advanced()).
		Field(service.NewIntField(fieldInFlight).
			Description("How many batches are written at the same time. More than one may change the order of records with equal keys.").
			Default(1).
			Advanced().
			LintRule(`root = if this < 1 { "max_in_flight must be at least 1" }`)).
		Field(service.NewBatchPolicyField(fieldBatching)).
		LintRule(`root = if (this.batching.count.or(0) > 1 || this.batching.byte_size.or(0) > 0) && this.batching.period.or("") == "" { "batching needs a period: without one an incomplete batch waits for ever, and so does its acknowledgement" }`)
}

// config is the parsed configuration.
type config struct {
	brokers     []string
	topic       *service.InterpolatedString
	key         *service.InterpolatedString
	timestamp   *service.InterpolatedString
	headers     []header
	compression kgo.CompressionCodec
	partitioner kgo.Partitioner
	clientID    string
	check       bool
	maxInFlight int
	batching    service.BatchPolicy
}

type header struct {
	name  string
	value *service.InterpolatedString
}

func parseConfig(p *service.ParsedConfig) (c config, err error) {
	lists, err := p.FieldStringList(fieldBrokers)
	if err != nil {
		return c, err
	}
	for _, list := range lists {
		for b := range strings.SplitSeq(list, ",") {
			if b = strings.TrimSpace(b); b != "" {
				c.brokers = append(c.brokers, b)
			}
		}
	}
	if len(c.brokers) == 0 {
		return c, fmt.Errorf("%s: at least one broker is needed", fieldBrokers)
	}
	if c.topic, err = p.FieldInterpolatedString(fieldTopic); err != nil {
		return c, err
	}
	if c.key, err = p.FieldInterpolatedString(fieldKey); err != nil {
		return c, err
	}
	if c.timestamp, err = p.FieldInterpolatedString(fieldTimestamp); err != nil {
		return c, err
	}
	if err := c.parseHeaders(p); err != nil {
		return c, err
	}
	if err := c.parseClient(p); err != nil {
		return c, err
	}
	if c.maxInFlight, err = p.FieldInt(fieldInFlight); err != nil {
		return c, err
	}
	if c.maxInFlight < 1 {
		return c, fmt.Errorf("%s must be at least 1", fieldInFlight)
	}
	if c.batching, err = p.FieldBatchPolicy(fieldBatching); err != nil {
		return c, err
	}
	if (c.batching.Count > 1 || c.batching.ByteSize > 0) && c.batching.Period == "" {
		return c, fmt.Errorf("%s needs a period: without one an incomplete batch waits for ever", fieldBatching)
	}
	return c, nil
}

func (c *config) parseHeaders(p *service.ParsedConfig) error {
	headers, err := p.FieldInterpolatedStringMap(fieldHeaders)
	if err != nil {
		return err
	}
	for name, value := range headers {
		c.headers = append(c.headers, header{name, value})
	}
	// Records with equal headers should have equal bytes.
	sortHeaders(c.headers)
	return nil
}

func (c *config) parseClient(p *service.ParsedConfig) error {
	compression, err := p.FieldString(fieldCompression)
	if err != nil {
		return err
	}
	var ok bool
	if c.compression, ok = compressions[compression]; !ok {
		return fmt.Errorf("%s: %q is not known", fieldCompression, compression)
	}
	partitioner, err := p.FieldString(fieldPartitioner)
	if err != nil {
		return err
	}
	switch partitioner {
	case partitionMurmur2:
		c.partitioner = kgo.StickyKeyPartitioner(nil)
	case partitionRoundRobin:
		c.partitioner = kgo.RoundRobinPartitioner()
	default:
		return fmt.Errorf("%s: %q is not known", fieldPartitioner, partitioner)
	}
	if c.clientID, err = p.FieldString(fieldClientID); err != nil {
		return err
	}
	c.check, err = p.FieldBool(fieldCheck)
	return err
}
