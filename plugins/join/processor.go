package join

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const (
	fieldKey     = "key"
	fieldAnchor  = "anchor"
	fieldStreams = "streams"
	fieldTopic   = "topic"
	fieldWhere   = "where"
	fieldBefore  = "before"
	fieldWithin  = "within"
)

func init() {
	host.MustRegisterOperator("join", spec(), func(conf *service.ParsedConfig, env host.Env) (task.Operator, error) {
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
	if c.Anchor, err = conf.FieldString(fieldAnchor); err != nil {
		return c, err
	}
	if c.Anchor == "" {
		return c, fmt.Errorf("%s: must name a topic", fieldAnchor)
	}
	if c.Before, err = host.Duration(conf, fieldBefore); err != nil {
		return c, err
	}
	if c.Within, err = host.Duration(conf, fieldWithin); err != nil {
		return c, err
	}
	streams, err := conf.FieldObjectMap(fieldStreams)
	if err != nil {
		return c, err
	}
	if len(streams) == 0 {
		return c, fmt.Errorf("%s: needs at least one", fieldStreams)
	}
	topics := map[string]bool{c.Anchor: true}
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		s := Stream{Name: name}
		if name == ChangeAnchor || name == ChangeClosed {
			return c, fmt.Errorf("%s: the name %q is taken", fieldStreams, name)
		}
		if strings.Contains(name, ".") {
			return c, fmt.Errorf("%s: the name %q has a dot", fieldStreams, name)
		}
		if s.Topic, err = streams[name].FieldString(fieldTopic); err != nil {
			return c, err
		}
		if s.Topic == "" {
			return c, fmt.Errorf("%s.%s.topic: must name a topic", fieldStreams, name)
		}
		if topics[s.Topic] {
			return c, fmt.Errorf("%s.%s.topic: %q is named twice", fieldStreams, name, s.Topic)
		}
		topics[s.Topic] = true
		if s.Where, err = host.Condition(streams[name], fieldWhere); err != nil {
			return c, fmt.Errorf("%s.%s.%w", fieldStreams, name, err)
		}
		c.Streams = append(c.Streams, s)
	}
	return c, nil
}

// lintStreams says of the streams together what the linter does not see in one of them.
const lintStreams = `
let anchor = this.anchor
let streams = this.streams.key_values().catch([]).sort_by(s -> s.key)
root = if $streams.length() == 0 { ["streams: needs at least one"] } else { [] }
root = root.concat($streams.filter(s -> ["anchor", "closed"].contains(s.key)).map_each(s -> "streams: the name %q is taken".format(s.key)))
root = root.concat($streams.filter(s -> s.key.contains(".")).map_each(s -> "streams: the name %q has a dot".format(s.key)))
root = root.concat($streams.enumerated().
  filter(s -> s.value.value.topic != null && (s.value.value.topic == $anchor || $streams.slice(0, s.index).any(o -> o.value.topic == s.value.value.topic))).
  map_each(s -> "streams.%s.topic: %q is named twice".format(s.value.key, s.value.value.topic)))`

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Categories("Stateful").
		Summary("Joins child events of several topics to the anchor event of the same key, within bounds of event time.").
		Description(`
A child joins its anchor when -`+"`before`"+` <= child time - anchor time <= `+"`within`"+` (inclusive). The operator emits a row for each thing that happens to an anchor, so that windows behind it count without ever taking back:

- when the anchor comes (`+"`change`"+` is `+"`anchor`"+`),
- for each child that joins and fits the stream's `+"`where`"+` (`+"`change`"+` is the stream's name; the child's fields stand under that name, e.g. `+"`this.items.price`"+`),
- when its time ends, i.e. the watermark is later than anchor time + `+"`within`"+` (`+"`change`"+` is `+"`closed`"+`).

Every row has the event time and the fields of the anchor, and for each stream a field `+"`NAME_count`"+`: the children that have joined so far, this one included. Fields that no operator behind the join reads are left out where windows follow, whose rows are made of others; the state keeps all of them.

A child that comes before its anchor is held until the anchor could no longer come in time (watermark > child time + `+"`before`"+`); it is an orphan then. A child of a known anchor outside the bounds is late. A second anchor of a key that is remembered is a duplicate. As rows may come `+"`within`"+` after their event time, windows behind a join stay open for as much longer.

This is an operator: it stands in the `+"`processors`"+` of a stateful input. Anchor and children must have the same key and their topics the same number of partitions.

### Delivery guarantees

Each child joins at most one anchor, once. Every event is accounted for as passed, held, duplicate, late, orphan or invalid; late, orphaned and invalid ones become dead letters. State is one entry per anchor for `+"`within`"+`, and one per held child for `+"`before`"+`, by event time.

### Changes of a running stream

The state depends on every field of this operator: see `+"`on_change`"+`. What operators behind it read of the joined rows may change freely, as whole events are kept.`).
		Field(service.NewStringField(fieldKey).Description("The field that anchor and children share.").Example("order_id").
			LintRule(`root = if this == "" { ["key: must name a field"] }`)).
		Field(service.NewStringField(fieldAnchor).Description("The topic of the anchor events.").Example("olist.orders").
			LintRule(`root = if this == "" { ["anchor: must name a topic"] }`)).
		Field(service.NewObjectMapField(fieldStreams,
			service.NewStringField(fieldTopic).Description("The topic of the children.").
				LintRule(`root = if this == "" { ["topic: must name a topic"] }`),
			host.ConditionField(fieldWhere, "Which joined children count and are emitted; the others only join."),
		).Description("The streams of children, by the name that they have in the joined rows.")).
		Field(host.DurationField(fieldBefore, "How much earlier than its anchor a child may be.").Default("1h")).
		Field(host.DurationField(fieldWithin, "How much later than its anchor a child may be.").Default("7d")).
		Field(host.OnChangeField()).
		LintRule(lintStreams).
		Example("Orders with their items and payments", "Rows for a funnel of orders.", `
input:
  stateful_kafka:
    seed_brokers: [ localhost:9092 ]
    topics: [ olist.orders, olist.order_items, olist.payments ]
    consumer_group: example
    processors:
      - join:
          key: order_id
          anchor: olist.orders
          streams:
            items: { topic: olist.order_items }
            payments: { topic: olist.payments, where: 'this.payment_status == "approved"' }
          before: 1h
          within: 7d
`)
}
