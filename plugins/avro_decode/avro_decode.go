// Package avrodecode turns Avro records into rows.
package avrodecode

import (
	"fmt"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Topic says how the records of one topic are decoded and what they must fulfil.
type Topic struct {
	Name    string
	Schema  *avro.Schema
	Framing avro.Framing
	// Older are schemas by which records in single-object encoding were written before.
	Older []*avro.Schema
	// Money are fields that are rounded to cents on reading, whatever their type.
	Money []string
	// Rules are conditions that every event fulfils.
	Rules []*filter.Expr
}

// Config describes a decoder of several topics.
type Config struct {
	Topics []Topic
	// EventTime is the field that must agree with the record's timestamp where a
	// schema has it; empty means that none must.
	EventTime string
	// Writers finds the schemas of records in Confluent framing by their ids; nil where all
	// records are written with the topic's schema. Then records in single-object encoding
	// are read beside those in Confluent framing, unless the topic's framing is that.
	Writers Writers
}

// Writers knows the schemas that records were written with.
type Writers interface {
	// Writer is the schema that the registry gave an id to. The error says why there is
	// none that can be used, and may be another one later.
	Writer(id uint32) (*avro.Type, error)
}

// AvroDecode decodes records and checks them against the rules of their topic. A
// record that is garbage or breaks a rule is invalid.
type AvroDecode struct {
	task.Stateless
	cfg    Config
	topics []*topic
	row    event.Row // what is being decoded: kept, so that it is not allocated per event
}

type topic struct {
	name    string
	schema  *avro.Schema
	framing avro.Framing
	decoder *Decoder
	older   map[uint64]*Decoder // by fingerprint; nil where there are none
	writers Writers
	byID    map[uint32]*version
	last    *version // the one of the record before
	time    int      // position of the event time, -1 where there is none
	money   []int
	rules   []rule
}

// version is what records are decoded with that a writer's schema of an id has made.
type version struct {
	id      uint32
	decoder *Decoder
	err     error // why the schema does not resolve to the topic's
}

type rule struct {
	text  string
	holds *filter.Predicate
}

// centScale is the number of decimal places of money.
const centScale = 2

// New compiles the decoders. Errors name the config field.
func New(cfg Config) (*AvroDecode, error) {
	a := &AvroDecode{cfg: cfg}
	for _, t := range cfg.Topics {
		d, err := Compile(t.Schema)
		if err != nil {
			return nil, fmt.Errorf("topics.%s.schema: %w", t.Name, err)
		}
		c := &topic{name: t.Name, schema: t.Schema, framing: t.Framing, decoder: d, time: -1, writers: cfg.Writers, byID: map[uint32]*version{}}
		for i, o := range t.Older {
			old, err := Resolve(o.Root, t.Schema)
			if err != nil {
				return nil, fmt.Errorf("topics.%s.writer_schemas.%d: %w", t.Name, i, err)
			}
			if c.older == nil {
				c.older = map[uint64]*Decoder{}
			}
			for _, fp := range o.Fingerprints() {
				c.older[fp] = old
			}
		}
		if cfg.EventTime != "" {
			c.time = d.Schema.Index(cfg.EventTime)
		}
		for i, m := range t.Money {
			at := d.Schema.Index(m)
			if at < 0 {
				return nil, fmt.Errorf("topics.%s.money.%d: %s has no field %q", t.Name, i, t.Schema.Name, m)
			}
			c.money = append(c.money, at)
		}
		for i, r := range t.Rules {
			for _, f := range r.Fields() {
				if d.Schema.Index(f) < 0 {
					return nil, fmt.Errorf("topics.%s.rules.%d: %s has no field %q", t.Name, i, t.Schema.Name, f)
				}
			}
			c.rules = append(c.rules, rule{r.String(), r.Compile()})
		}
		a.topics = append(a.topics, c)
	}
	return a, nil
}

// DecodesRaw tells the host that rows may come as undecoded records.
func (a *AvroDecode) DecodesRaw() {}

// Bind checks that every topic that comes in has a schema, and says what they are.
func (a *AvroDecode) Bind(in task.Shape) (task.Shape, error) {
	out := task.Shape{Delay: in.Delay, Reach: in.Reach}
	for _, k := range in.Schemas {
		if !slices.ContainsFunc(a.topics, func(t *topic) bool { return t.name == k.Topic }) {
			return out, fmt.Errorf("topics: no schema for topic %q", k.Topic)
		}
	}
	for _, t := range a.topics {
		if in.Schemas == nil || slices.ContainsFunc(in.Schemas, func(k task.Known) bool { return k.Topic == t.name }) {
			out.Schemas = append(out.Schemas, task.Known{Topic: t.name, Schema: t.decoder.Schema})
		}
	}
	return out, nil
}

// Process decodes and checks each record.
func (a *AvroDecode) Process(rows []event.Row, out *task.Output) {
	r := &a.row
	for i := range rows {
		*r = rows[i]
		if err := a.decode(r, out); err != nil {
			out.Reject(r, task.Invalid, err.Error())
			continue
		}
		out.Pass(r)
	}
	*r = event.Row{}
}

// decode turns r into a row. On an error r still tells what could be read of it.
func (a *AvroDecode) decode(r *event.Row, out *task.Output) error {
	if r.Source == nil || r.Schema != nil {
		return fmt.Errorf("no undecoded record")
	}
	var t *topic
	for _, c := range a.topics {
		if c.name == r.Source.Topic {
			t = c
			break
		}
	}
	if t == nil {
		return fmt.Errorf("no schema for topic %q", r.Source.Topic)
	}
	d, payload, err := t.open(r.Source.Value)
	if err != nil {
		return err
	}
	values := out.Values(d.Len())
	if err := d.Decode(payload, values); err != nil {
		return err
	}
	for _, at := range t.money {
		if values[at].IsNull() {
			continue
		}
		m, ok := event.Money(values[at], centScale)
		if !ok {
			return fmt.Errorf("%s: %q is not an amount of money", t.decoder.Schema.Fields[at], values[at].Key())
		}
		values[at] = m
	}
	r.Schema, r.Values = t.decoder.Schema, values
	if t.time >= 0 {
		v := values[t.time]
		if v.Kind() != event.Timestamp || event.Time(v.Int()) != r.Time {
			return fmt.Errorf("%s %s differs from the record's timestamp %v", a.cfg.EventTime, described(v), r.Time)
		}
	}
	for _, rule := range t.rules {
		if !rule.holds.Match(r) {
			return fmt.Errorf("breaks the rule %s", rule.text)
		}
	}
	return nil
}

// open finds the decoder for a value by what stands before the data.
func (t *topic) open(value []byte) (d *Decoder, payload []byte, err error) {
	if t.writers != nil {
		if id, payload, ok := avro.ConfluentID(value); ok {
			d, err = t.written(id)
			return d, payload, err
		}
	}
	if t.older != nil {
		if fp, payload, ok := avro.SingleObject(value); ok && t.older[fp] != nil {
			return t.older[fp], payload, nil
		}
	}
	payload, err = t.schema.Unframe(t.framing, value)
	return t.decoder, payload, err
}

// written is the decoder for records of a writer's schema, compiled when it first comes.
func (t *topic) written(id uint32) (*Decoder, error) {
	if v := t.last; v != nil && v.id == id {
		return v.decoder, v.err
	}
	v := t.byID[id]
	if v == nil {
		w, err := t.writers.Writer(id)
		if err != nil {
			return nil, fmt.Errorf("schema id %d: %w", id, err)
		}
		v = &version{id: id}
		if v.decoder, v.err = Resolve(w, t.schema); v.err != nil {
			v.err = fmt.Errorf("schema id %d: %w", id, v.err)
		}
		t.byID[id] = v
	}
	t.last = v
	return v.decoder, v.err
}

func described(v event.Value) string {
	switch v.Kind() {
	case event.Null:
		return "null"
	case event.Timestamp:
		return event.Time(v.Int()).String()
	}
	return v.Key()
}
