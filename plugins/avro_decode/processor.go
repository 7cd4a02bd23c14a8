package avrodecode

import (
	"fmt"
	"maps"
	"slices"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/registry"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const (
	fieldFraming   = "framing"
	fieldEventTime = "event_time"
	fieldTopics    = "topics"
	fieldSchema    = "schema"
	fieldOlder     = "writer_schemas"
	fieldMoney     = "money"
	fieldRules     = "rules"
)

func init() {
	host.MustRegisterOperator("avro_decode", spec(), func(conf *service.ParsedConfig, _ host.Env) (task.Operator, error) {
		c, err := parse(conf)
		if err != nil {
			return nil, err
		}
		reg, err := registry.Parse(conf)
		if err != nil {
			return nil, err
		}
		if reg.Enabled() {
			return newRegistered(conf, c, reg)
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
		older, err := topics[topicName].FieldStringList(fieldOlder)
		if err != nil {
			return c, err
		}
		for i, file := range older {
			s, err := avro.Load(file)
			if err != nil {
				return c, fmt.Errorf("%s.%s.%d: %w", path, fieldOlder, i, err)
			}
			t.Older = append(t.Older, s)
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

### Schemas that change

A schema registry (`+"`schema_registry`"+`) tells by the id in front of a record which schema it was written with. The record is read as one of the topic's `+"`schema`"+`, by Avro's rules of resolution: fields go by name or alias, one that the schema lacks is passed over, one that the record lacks takes its default, numbers widen. So producers and consumers take up a new schema at different times, in either order, while they run. An id's schema is fetched once, before the records that bear it are merged; while the registry gives no answer these records wait, and nothing is lost. A record is invalid whose id the registry does not know, or whose schema does not resolve. Records in single-object encoding are read beside those of the registry.

Without a registry, `+"`writer_schemas`"+` lists the schemas by which older records were written.

Decimals have to keep their scale: other than the rules of Avro have it, no amount is read as another one.

This is an operator: it stands first in the `+"`processors`"+` of a stateful input.

### Delivery guarantees

Every record is accounted for as passed or invalid.`).
		Fields(
			service.NewStringAnnotatedEnumField(fieldFraming, map[string]string{
				avro.FramingSingleObject: "Avro single-object encoding: a marker and the schema's fingerprint. With a schema registry, Confluent's framing as well",
				avro.FramingConfluent:    "the framing of Confluent's schema registry: a zero byte and the schema's id. Without a registry all ids are taken for the topic's schema",
				avro.FramingRaw:          "plain Avro binary",
			}).Description("What stands before the Avro data.").Default(avro.FramingSingleObject),
			service.NewStringField(fieldEventTime).
				Description("The field that must agree with the record's timestamp, in schemas that have it. Empty to check none.").
				Default("event_time"),
			service.NewObjectMapField(fieldTopics,
				service.NewStringField(fieldSchema).Description("Path of the schema file (.avsc)."),
				service.NewStringListField(fieldOlder).
					Description("Paths of schemas by which records in single-object encoding were written before. They are read as records of `schema`.").
					Default([]any{}).Advanced(),
				service.NewStringListField(fieldMoney).
					Description("Fields that hold money as a double or a string: they are rounded to cents, half away from zero.").
					Default([]any{}).Advanced(),
				host.ConditionListField(fieldRules, "Conditions that every event of the topic fulfils."),
			).Description("The topics, each with its schema."),
			registry.Field("The schema registry that tells what records in Confluent framing were written with."),
		).
		LintRule(`root = if this.framing == "raw" && this.schema_registry.url.or("") != "" { "raw records bear no schema id: framing raw and a schema_registry exclude each other" }`).
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
