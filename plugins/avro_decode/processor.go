package avrodecode

import (
	"fmt"
	"maps"
	"slices"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const (
	fieldFraming   = "framing"
	fieldEventTime = "event_time"
	fieldTopics    = "topics"
	fieldSchema    = "schema"
	fieldMoney     = "money"
	fieldRules     = "rules"
)

func init() {
	host.MustRegisterOperator("avro_decode", spec(), func(conf *service.ParsedConfig, _ host.Env) (task.Operator, error) {
		c, err := parse(conf)
		if err != nil {
			return nil, err
		}
		return New(c)
	})
}

func parse(conf *service.ParsedConfig) (c Config, err error) {
	name, err := conf.FieldString(fieldFraming)
	if err != nil {
		return c, err
	}
	framing, err := avro.ParseFraming(name, 0)
	if err != nil {
		return c, fmt.Errorf("%s: %w", fieldFraming, err)
	}
	if c.EventTime, err = conf.FieldString(fieldEventTime); err != nil {
		return c, err
	}
	topics, err := conf.FieldObjectMap(fieldTopics)
	if err != nil {
		return c, err
	}
	for _, topicName := range slices.Sorted(maps.Keys(topics)) {
		t := Topic{Name: topicName, Framing: framing}
		path := fieldTopics + "." + topicName
		file, err := topics[topicName].FieldString(fieldSchema)
		if err != nil {
			return c, err
		}
		if t.Schema, err = avro.Load(file); err != nil {
			return c, fmt.Errorf("%s.%s: %w", path, fieldSchema, err)
		}
		if t.Money, err = topics[topicName].FieldStringList(fieldMoney); err != nil {
			return c, err
		}
		rules, err := topics[topicName].FieldStringList(fieldRules)
		if err != nil {
			return c, err
		}
		for i, r := range rules {
			e, err := filter.Parse(r)
			if err != nil {
				return c, fmt.Errorf("%s.%s.%d: %w", path, fieldRules, i, err)
			}
			t.Rules = append(t.Rules, e)
		}
		c.Topics = append(c.Topics, t)
	}
	return c, nil
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Categories("Stateful").
		Summary("Decodes Avro records into rows and checks them against the rules of their topic.").
		Description(`
The decoder is compiled from the schema: an event becomes a compact row, not a map, and a message only where a processor of Benthos or an output needs one. Fields of nested records stand under dotted names; arrays, maps and optional records are kept whole.

A record is invalid, and becomes a dead letter with the reason, when it is not Avro of the topic's schema in the given framing, when its event time field differs from the record's timestamp, or when it breaks a rule.

This is an operator: it stands first in the `+"`processors`"+` of a stateful input.

### Delivery guarantees

Every record is accounted for as passed or invalid.`).
		Fields(
			service.NewStringAnnotatedEnumField(fieldFraming, map[string]string{
				avro.FramingSingleObject: "Avro single-object encoding: a marker and the schema's fingerprint",
				avro.FramingConfluent:    "the framing of Confluent's schema registry: a zero byte and the schema's id",
				avro.FramingRaw:          "plain Avro binary",
			}).Description("What stands before the Avro data.").Default(avro.FramingSingleObject),
			service.NewStringField(fieldEventTime).
				Description("The field that must agree with the record's timestamp, in schemas that have it. Empty to check none.").
				Default("event_time"),
			service.NewObjectMapField(fieldTopics,
				service.NewStringField(fieldSchema).Description("Path of the schema file (.avsc)."),
				service.NewStringListField(fieldMoney).
					Description("Fields that hold money as a double or a string: they are rounded to cents, half away from zero.").
					Default([]any{}).Advanced(),
				host.ConditionListField(fieldRules, "Conditions that every event of the topic fulfils."),
			).Description("The topics, each with its schema."),
		).
		Example("Payments", "Payments that are not negative.", `
input:
  stateful_kafka:
    seed_brokers: [ localhost:9092 ]
    topics: [ olist.payments ]
    consumer_group: example
    processors:
      - avro_decode:
          topics:
            olist.payments:
              schema: configs/avro/payment.avsc
              rules: [ 'this.payment_value >= 0', 'this.order_id != ""' ]
`)
}
