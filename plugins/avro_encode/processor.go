package avroencode

import (
	"context"
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
)

const (
	fieldTopic     = "topic"
	fieldSchemas   = "schemas"
	fieldFraming   = "framing"
	fieldSchemaIDs = "schema_ids"

	// metaSchema is the metadata key that receives the schema's name.
	metaSchema = "schema"
)

func init() {
	service.MustRegisterProcessor("avro_encode", spec(), newProcessor)
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Categories("Parsing").
		Summary("Encodes structured messages as Avro, with the schema picked by topic.").
		Description(`
Values are given plainly: a field of a union with null holds the value or null, without a wrapping object; a field that is
left out takes its default, or null. Times (`+"`timestamp-millis`, `timestamp-micros`"+`) are RFC 3339 strings, timestamps
or numbers in the unit of the schema. Decimals are numbers or their texts and are taken exactly: a price of 12.345 for a
decimal of scale 2 is refused, 12.340 is not. A field that the schema lacks is refused, since leaving it out would lose it.

A message that does not fit keeps its content and fails with an error that names the field; use `+"`catch`"+` to send it
elsewhere. Messages are neither dropped nor reordered. The metadata field `+"`schema`"+` is set to the full name of the schema.

In `+"`single_object`"+` framing the fingerprint is the CRC-64-AVRO of the schema's Parsing Canonical Form, as in Java.`).
		Example("Orders and payments", "Two topics, each with its schema.", `
pipeline:
  processors:
    - avro_encode:
        topic: ${! @kafka_topic }
        schemas:
          olist.orders: configs/avro/order.avsc
          olist.payments: configs/avro/payment.avsc
`).
		Field(service.NewInterpolatedStringField(fieldTopic).
			Description("The topic of a message, which picks its schema.").
			Default("${! @kafka_topic }")).
		Field(service.NewStringMapField(fieldSchemas).
			Description("A schema file for each topic. Paths are relative to the working directory; one below `configs/` that does not exist is read from the copy inside the binary.").
			LintRule(`root = if this.length() == 0 { "at least one topic needs a schema" }`)).
		Field(service.NewStringAnnotatedEnumField(fieldFraming, map[string]string{
			avro.FramingSingleObject: "C3 01 and the schema's fingerprint, then the data.",
			avro.FramingConfluent:    "00 and the id that a schema registry gave to the schema, then the data.",
			avro.FramingRaw:          "The data alone.",
		}).
			Description("What stands before the data.").
			Default(avro.FramingSingleObject)).
		Field(service.NewIntMapField(fieldSchemaIDs).
			Description("The schema registry's id for each topic's schema; needed with the framing `confluent`.").
			Default(map[string]any{}).
			Advanced()).
		LintRule(`root = if this.framing == "confluent" && this.schemas.keys().any(t -> (this.schema_ids | {}).get(t) == null) { "framing confluent needs a schema id in schema_ids for every topic of schemas" }`)
}

type processor struct {
	topic    *service.InterpolatedString
	encoders map[string]*Encoder
	names    map[string]string
}

func newProcessor(conf *service.ParsedConfig, _ *service.Resources) (service.Processor, error) {
	topic, err := conf.FieldInterpolatedString(fieldTopic)
	if err != nil {
		return nil, err
	}
	files, err := conf.FieldStringMap(fieldSchemas)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: at least one topic needs a schema", fieldSchemas)
	}
	framing, err := conf.FieldString(fieldFraming)
	if err != nil {
		return nil, err
	}
	ids, err := conf.FieldIntMap(fieldSchemaIDs)
	if err != nil {
		return nil, err
	}
	p := &processor{topic: topic, encoders: map[string]*Encoder{}, names: map[string]string{}}
	for t, file := range files {
		if framing == avro.FramingConfluent && ids[t] == 0 {
			return nil, fmt.Errorf("%s: framing confluent needs a schema id for topic %s", fieldSchemaIDs, t)
		}
		f, err := avro.ParseFraming(framing, ids[t])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fieldFraming, err)
		}
		s, err := avro.Load(file)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", fieldSchemas, t, err)
		}
		if p.encoders[t], err = NewEncoder(s, f); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", fieldSchemas, t, err)
		}
		p.names[t] = s.Name
	}
	return p, nil
}

func (p *processor) Process(_ context.Context, msg *service.Message) (service.MessageBatch, error) {
	topic, err := p.topic.TryString(msg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fieldTopic, err)
	}
	enc, ok := p.encoders[topic]
	if !ok {
		return nil, fmt.Errorf("topic %q has no schema here", topic)
	}
	v, err := msg.AsStructured()
	if err != nil {
		return nil, fmt.Errorf("no structured message: %w", err)
	}
	data, err := enc.Encode(v)
	if err != nil {
		return nil, err
	}
	msg.SetBytes(data)
	msg.MetaSet(metaSchema, p.names[topic])
	return service.MessageBatch{msg}, nil
}

func (p *processor) Close(context.Context) error { return nil }
