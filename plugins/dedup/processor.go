package dedup

import (
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const (
	fieldKey = "key"
	fieldTTL = "ttl"
)

func init() {
	host.MustRegisterOperator("dedup", spec(), func(conf *service.ParsedConfig, env host.Env) (task.Operator, error) {
		c, err := parse(conf)
		if err != nil {
			return nil, err
		}
		return New(c, env.Store), nil
	})
}

func parse(conf *service.ParsedConfig) (c Config, err error) {
	if c.Key, err = conf.FieldString(fieldKey); err != nil {
		return c, err
	}
	if c.TTL, err = host.Duration(conf, fieldTTL); err != nil {
		return c, err
	}
	if c.TTL == 0 {
		return c, fmt.Errorf("%s: must be longer than 0", fieldTTL)
	}
	return c, nil
}

// zero matches a duration of nothing. Whether a text is a duration at all is for its field to say.
const zero = "^([0.]+[a-zµ]*)+$"

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Categories("Stateful").
		Summary("Drops events whose key was seen before, by event time.").
		Description(`
Two events are duplicates when they have the same key and their event times lie at most `+"`ttl`"+` apart. A key is forgotten when the watermark is later than its event time + `+"`ttl`"+`. An event older than the watermark - `+"`ttl`"+` can no longer be told from a duplicate: it is late and becomes a dead letter, never an event that is counted twice.

This is an operator: it stands in the `+"`processors`"+` of a stateful input, where one instance runs per task.

### Delivery guarantees

Within a task each key passes once for as long as it is remembered, in the order in which the task merges its partitions. An event without the key is invalid. Every event that comes in is accounted for as passed, duplicate, late or invalid.

### Changes of a running stream

The state depends on `+"`key` and `ttl`"+`: see `+"`on_change`"+`.`).
		Field(service.NewStringField(fieldKey).
			Description("The field that identifies an event.").
			Example("event_id").
			LintRule(`root = if this == "" { ["key: must name a field"] }`)).
		Field(host.DurationField(fieldTTL, "The longest distance in event time between an event and its duplicate.").
			Example("7d")).
		Field(host.OnChangeField()).
		LintRule(`root = if this.ttl.or("1s").string().re_match("`+zero+`") { ["ttl: must be longer than 0"] }`).
		Example("Event ids", "Each event counts once, however often its producer sent it.", `
input:
  stateful_kafka:
    seed_brokers: [ localhost:9092 ]
    topics: [ olist.orders ]
    consumer_group: example
    processors:
      - dedup:
          key: event_id
          ttl: 7d
`)
}
