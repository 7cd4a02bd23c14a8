package avroencode

import (
	"context"
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/registry"
)

const (
	fieldTopic     = "topic"
	fieldSchemas   = "schemas"
	fieldFraming   = "framing"
	fieldSchemaIDs = "schema_ids"
	fieldSubject   = "subject"
	fieldRegister  = "auto_register"

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

### Schema registry

With a `+"`schema_registry`"+` records are written in Confluent framing. Before the first message all schemas are held against what the registry demands of the next version of their subject, and registered. A schema that it refuses ends the stream with an error that names topic, subject and reason, before anything is written, of any topic. While the registry gives no answer messages wait: they are neither dropped nor failed. The ids are asked for once.

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
			Description("What stands before the data. With a schema registry that is always `confluent`.").
			Default(avro.FramingSingleObject)).
		Field(service.NewIntMapField(fieldSchemaIDs).
			Description("The schema registry's id for each topic's schema; needed with the framing `confluent` where there is no schema registry to ask.").
			Default(map[string]any{}).
			Advanced()).
		Field(registry.Field("The schema registry at which the schemas are registered.",
			service.NewStringField(fieldSubject).
				Description("The subject of a topic's schema, with `{topic}` in place of the topic's name.").
				Default("{topic}-value").Advanced(),
			service.NewBoolField(fieldRegister).
				Description("Whether to register schemas that the registry does not have. Otherwise such a one ends the stream.").
				Default(true).Advanced())).
		LintRule(`root = match {
  this.framing == "raw" && this.schema_registry.url.or("") != "" => "raw records bear no schema id: framing raw and a schema_registry exclude each other"
  this.framing == "confluent" && this.schema_registry.url.or("") == "" && this.schemas.keys().any(t -> (this.schema_ids | {}).get(t) == null) => "framing confluent needs a schema_registry, or a schema id in schema_ids for every topic of schemas"
}`)
}

type processor struct {
	topic    *service.InterpolatedString
	encoders map[string]*Encoder
	names    map[string]string
	registry *registered // nil where there is none
}

func newProcessor(conf *service.ParsedConfig, res *service.Resources) (service.Processor, error) {
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
	where, err := registry.Parse(conf)
	if err != nil {
		return nil, err
	}
	if where.Enabled() {
		if p.registry, err = newRegistered(conf, res, where); err != nil {
			return nil, err
		}
		if framing == avro.FramingRaw {
			return nil, fmt.Errorf("%s: raw records bear no schema id, so a schema registry cannot help", fieldFraming)
		}
		framing = avro.FramingConfluent
	}
	for t, file := range files {
		if p.registry == nil && framing == avro.FramingConfluent && ids[t] == 0 {
			return nil, fmt.Errorf("%s: framing confluent needs a schema_registry, or a schema id for topic %s", fieldSchemaIDs, t)
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
		if p.registry != nil {
			p.registry.add(t, s, p.encoders[t])
		}
	}
	return p, nil
}

func (p *processor) Process(ctx context.Context, msg *service.Message) (service.MessageBatch, error) {
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
	if p.registry != nil {
		if enc, err = p.registry.encoder(ctx, topic); err != nil {
			return nil, err
		}
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
