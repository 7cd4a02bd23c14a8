package window

import (
	"fmt"
	"maps"
	"slices"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const (
	fieldType       = "type"
	fieldSize       = "size"
	fieldSlide      = "slide"
	fieldOffset     = "offset"
	fieldLateness   = "allowed_lateness"
	fieldGroupBy    = "group_by"
	fieldAggregates = "aggregates"
	fieldEmit       = "emit"
	fieldID         = "event_id"
	fieldField      = "field"
	fieldWhere      = "where"
	fieldLimit      = "limit"
	fieldOrder      = "order"

	typeTumbling = "tumbling"
	typeHopping  = "hopping"
	emitUpdate   = "on_update"
	emitClose    = "on_close"
	orderTime    = "time"
	orderValue   = "value"
)

func init() {
	host.MustRegisterOperator("window", spec(), func(conf *service.ParsedConfig, env host.Env) (task.Operator, error) {
		c, err := parse(conf)
		if err != nil {
			return nil, err
		}
		c.Label = env.Label
		return New(c, env.Store), nil
	})
}

func parse(conf *service.ParsedConfig) (c Config, err error) {
	kind, err := conf.FieldString(fieldType)
	if err != nil {
		return c, err
	}
	if c.Size, err = host.Duration(conf, fieldSize); err != nil {
		return c, err
	}
	if c.Size == 0 {
		return c, fmt.Errorf("%s: must be longer than 0", fieldSize)
	}
	c.Slide = c.Size
	if conf.Contains(fieldSlide) {
		if c.Slide, err = host.Duration(conf, fieldSlide); err != nil {
			return c, err
		}
	}
	switch {
	case kind == typeTumbling && conf.Contains(fieldSlide):
		return c, fmt.Errorf("%s: tumbling windows have none; want type hopping", fieldSlide)
	case kind == typeHopping && !conf.Contains(fieldSlide):
		return c, fmt.Errorf("%s: hopping windows need it", fieldSlide)
	case c.Slide == 0:
		return c, fmt.Errorf("%s: must be longer than 0", fieldSlide)
	}
	if c.Offset, err = host.Duration(conf, fieldOffset); err != nil {
		return c, err
	}
	if c.AllowedLateness, err = host.Duration(conf, fieldLateness); err != nil {
		return c, err
	}
	if c.Where, err = host.Condition(conf, fieldWhere); err != nil {
		return c, err
	}
	if c.GroupBy, err = conf.FieldStringList(fieldGroupBy); err != nil {
		return c, err
	}
	if c.ID, err = conf.FieldString(fieldID); err != nil {
		return c, err
	}
	emit, err := conf.FieldString(fieldEmit)
	if err != nil {
		return c, err
	}
	c.OnUpdate = emit == emitUpdate
	c.Aggregates, err = parseAggregates(conf, c.GroupBy)
	return c, err
}

func parseAggregates(conf *service.ParsedConfig, groupBy []string) ([]Aggregate, error) {
	figures, err := conf.FieldObjectMap(fieldAggregates)
	if err != nil {
		return nil, err
	}
	if len(figures) == 0 {
		return nil, fmt.Errorf("%s: needs at least one", fieldAggregates)
	}
	taken := []string{fieldStart, fieldEnd, fieldCloses}
	for i, g := range groupBy {
		if slices.Contains(taken, g) {
			return nil, fmt.Errorf("%s.%d: the name %q is taken", fieldGroupBy, i, g)
		}
		taken = append(taken, g)
	}
	var list []Aggregate
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		f := figures[name]
		path := fieldAggregates + "." + name
		if slices.Contains(taken, name) {
			return nil, fmt.Errorf("%s: the name is taken", path)
		}
		kinds := slices.DeleteFunc(slices.Clone(Kinds), func(k string) bool { return !f.Contains(k) })
		if len(kinds) != 1 {
			return nil, fmt.Errorf("%s: want exactly one of %v", path, Kinds)
		}
		a, err := parseAggregate(f.Namespace(kinds[0]), kinds[0])
		if err != nil {
			return nil, fmt.Errorf("%s.%s.%w", path, kinds[0], err)
		}
		a.Name = name
		list = append(list, a)
	}
	return list, nil
}

func parseAggregate(conf *service.ParsedConfig, kind string) (a Aggregate, err error) {
	a.Kind = kind
	if a.Where, err = host.Condition(conf, fieldWhere); err != nil {
		return a, err
	}
	if kind == Count {
		return a, nil
	}
	if a.Field, err = conf.FieldString(fieldField); err != nil {
		return a, err
	}
	if kind != Collect {
		return a, nil
	}
	if a.Limit, err = conf.FieldInt(fieldLimit); err != nil {
		return a, err
	}
	if a.Limit < 1 {
		return a, fmt.Errorf("%s: must be at least 1", fieldLimit)
	}
	order, err := conf.FieldString(fieldOrder)
	a.Smallest = order == orderValue
	return a, err
}

func aggregateFields() []*service.ConfigField {
	where := host.ConditionField(fieldWhere, "Which events count in the figure.")
	field := func(what string) *service.ConfigField {
		return service.NewStringField(fieldField).Description("The field " + what + ". Nulls do not count.")
	}
	object := func(kind, what string, fields ...*service.ConfigField) *service.ConfigField {
		return service.NewObjectField(kind, append(fields, where)...).Description(what).Optional()
	}
	return []*service.ConfigField{
		object(Count, "The number of events."),
		object(Sum, "The exact sum; 0 over no events.", field("to add up")),
		object(Min, "The smallest value.", field("to compare")),
		object(Max, "The largest value.", field("to compare")),
		object(Avg, "The average, of exact numbers to six decimal places.", field("to average")),
		object(Distinct, "The exact number of different values.", field("whose values to tell apart")),
		object(First, "The value of the earliest event, by event time and event id.", field("to take")),
		object(Last, "The value of the latest event, by event time and event id.", field("to take")),
		object(Collect, "A list of values.", field("to collect"),
			service.NewIntField(fieldLimit).Description("The most values that are kept.").Default(100).
				LintRule(`root = if this < 1 { ["limit: must be at least 1"] }`),
			service.NewStringAnnotatedEnumField(fieldOrder, map[string]string{
				orderTime:  "the earliest values, by event time and event id",
				orderValue: "the smallest values",
			}).Description("Which values are kept, and their order.").Default(orderTime)),
	}
}

// lintFields says of the fields together what the linter does not see in one of them.
// Whether a text is a duration at all is for its field to say.
const lintFields = `
let zero = "^([0.]+[a-zµ]*)+$"
let slide = this.slide.or("").string()
let groups = this.group_by.or([])
let own = ["window_start", "window_end", "closes_at"]
root = [
  if this.size.or("").string().re_match($zero) { "size: must be longer than 0" } else { deleted() },
  if this.type.or("tumbling") == "tumbling" && $slide != "" { "slide: tumbling windows have none; want type hopping" } else { deleted() },
  if this.type == "hopping" && $slide == "" { "slide: hopping windows need it" } else { deleted() },
  if this.type == "hopping" && $slide.re_match($zero) { "slide: must be longer than 0" } else { deleted() },
  if this.aggregates.or({}).length() == 0 { "aggregates: needs at least one" } else { deleted() },
]
root = root.concat($groups.enumerated().
  filter(g -> $own.contains(g.value) || $groups.slice(0, g.index).contains(g.value)).
  map_each(g -> "group_by.%d: the name %q is taken".format(g.index, g.value)))
root = root.concat(this.aggregates.key_values().catch([]).sort_by(a -> a.key).
  filter(a -> a.value.keys().length().catch(1) != 1).
  map_each(a -> "aggregates.%s: want exactly one kind of aggregate".format(a.key)))
root = root.concat(this.aggregates.keys().catch([]).sort().
  filter(n -> $own.contains(n) || $groups.contains(n)).
  map_each(n -> "aggregates.%s: the name is taken".format(n)))`

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Categories("Stateful").
		Summary("Aggregates events over tumbling or hopping windows of event time.").
		Description(`
A window [start, end) is aligned to the Unix epoch (+ `+"`offset`"+`) and takes events while watermark < end + `+"`allowed_lateness`"+`; then it closes and is forgotten. An event all of whose windows are closed is late and becomes a dead letter.

With `+"`emit: on_update`"+` a window is emitted whenever it has changed: when the task has caught up with its input, and under load at least every `+"`emit_interval`"+` of the stateful input; at its close only if it changed since. With `+"`on_close`"+` it is emitted once, at its close. Each row is the whole window as it stands, so rows of one window replace each other and an output may keep the last.

A row has `+"`window_start`, `window_end`, `closes_at`"+` (the watermark of the task from which on the window is final), the fields of `+"`group_by`"+` and the aggregates. Sums of integers and decimals are exact.

This is an operator: it stands in the `+"`processors`"+` of a stateful input.

### Delivery guarantees

The last row of a window is the same for any batch size and any order of arrival within the watermark's bounds. Every event is accounted for as passed (counted), late or invalid; an event that does not fit an aggregate, such as text in a sum, is invalid and counts in none of them. State is one entry per open window and group.

### Changes of a running stream

The state depends on `+"`type`, `size`, `slide`, `offset`, `where`, `group_by`, `aggregates`"+` and, where an aggregate goes by it, `+"`event_id`"+`: see `+"`on_change`. `emit`"+` may change freely. `+"`allowed_lateness`"+` may become shorter; were it longer, or held the operators before events back for longer than they did, an event for a window that has closed would begin it anew and replace its row, so that is a change as well.`).
		Fields(
			service.NewStringAnnotatedEnumField(fieldType, map[string]string{
				typeTumbling: "windows follow one another",
				typeHopping:  "a window starts every `slide`",
			}).Description("How windows lie.").Default(typeTumbling),
			host.DurationField(fieldSize, "Length of a window.").Example("1m"),
			host.DurationField(fieldSlide, "Distance between the starts of hopping windows.").Optional(),
			host.DurationField(fieldOffset, "Shifts the windows from the Unix epoch.").Default("0s").Advanced(),
			host.DurationField(fieldLateness, "How long after its end a window still takes events, by event time.").Default("0s"),
			host.ConditionField(fieldWhere, "Which events the windows are about. The others pass by, and make no window."),
			service.NewStringListField(fieldGroupBy).Description("Fields whose values have windows of their own.").Default([]any{}),
			service.NewObjectMapField(fieldAggregates, aggregateFields()...).
				Description("The figures, by the name of the field that they are emitted as. Each has exactly one kind."),
			service.NewStringAnnotatedEnumField(fieldEmit, map[string]string{
				emitUpdate: "whenever a window has changed",
				emitClose:  "once, when it closes",
			}).Description("When windows are emitted.").Default(emitUpdate),
			host.OnChangeField(),
			service.NewStringField(fieldID).Description("The field that orders events of the same time, for first, last and collect.").Default("event_id").Advanced(),
		).
		LintRule(lintFields).
		Example("Sales by minute", "The value of what was sold in each minute.", `
input:
  stateful_kafka:
    seed_brokers: [ localhost:9092 ]
    topics: [ olist.order_items ]
    consumer_group: example
    processors:
      - label: sales
        window:
          size: 1m
          aggregates:
            revenue: { sum: { field: price } }
            items: { count: {} }
            dear: { count: { where: 'this.price > 100' } }
`)
}
