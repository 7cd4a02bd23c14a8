// Package avroencode turns structured messages into Avro.
package avroencode

import (
	"fmt"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
)

// Encoder turns JSON-like values into the framed Avro encoding of one schema.
// It is safe for use by several goroutines.
type Encoder struct {
	schema  *avro.Schema
	framing avro.Framing
	convert converter
}

// NewEncoder compiles the conversions for a schema. The error names the part of
// the schema that has no conversion.
func NewEncoder(s *avro.Schema, f avro.Framing) (*Encoder, error) {
	c := compiler{named: map[*avro.Type]*converter{}}
	convert, err := c.compile(s.Root)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", s.Name, err)
	}
	return &Encoder{schema: s, framing: f, convert: convert}, nil
}

// Framed is the same encoder with another framing.
func (e *Encoder) Framed(f avro.Framing) *Encoder {
	other := *e
	other.framing = f
	return &other
}

// Encode converts and encodes one value. The error names the field that does not fit.
func (e *Encoder) Encode(v any) ([]byte, error) {
	native, err := e.convert(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.schema.Name, err)
	}
	out, err := e.schema.AppendNative(e.framing, nil, native)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.schema.Name, err)
	}
	return out, nil
}

// converter turns a JSON-like value into what goavro encodes for a type.
type converter func(v any) (any, error)

// compiler builds converters; named keeps those of named types, which may contain themselves.
type compiler struct {
	named map[*avro.Type]*converter
}

func (c *compiler) compile(t *avro.Type) (converter, error) {
	switch t.Kind {
	case "record":
		return c.record(t)
	case "union":
		return c.union(t)
	case "array":
		elem, err := c.compile(t.Elem)
		if err != nil {
			return nil, err
		}
		return arrayOf(elem), nil
	case "map":
		elem, err := c.compile(t.Elem)
		if err != nil {
			return nil, err
		}
		return mapOf(elem), nil
	case "enum":
		return enumOf(t), nil
	}
	if conv := logical(t); conv != nil {
		return conv, nil
	}
	if conv, ok := plain[t.Kind]; ok {
		return conv, nil
	}
	if t.Kind == "fixed" {
		return fixedOf(t.Size), nil
	}
	return nil, fmt.Errorf("type %s is not supported", t.Kind)
}

func (c *compiler) record(t *avro.Type) (converter, error) {
	if known, ok := c.named[t]; ok {
		return func(v any) (any, error) { return (*known)(v) }, nil
	}
	self := new(converter)
	c.named[t] = self
	convs := make([]converter, len(t.Fields))
	for i, f := range t.Fields {
		var err error
		if convs[i], err = c.compile(f.Type); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	*self = func(v any) (any, error) {
		in, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s is not an object", describe(v))
		}
		out, used := make(map[string]any, len(t.Fields)), 0
		for i, f := range t.Fields {
			value, present := in[f.Name]
			switch {
			case present:
				used++
			case f.Default != nil:
				continue // goavro puts the default
			case f.Type.Nullable() == nil && f.Type.Kind != "null":
				return nil, fmt.Errorf("%s is missing", f.Name)
			}
			native, err := convs[i](value)
			if err != nil {
				return nil, atField(f.Name, err)
			}
			out[f.Name] = native
		}
		if used != len(in) {
			return nil, unknownField(t, in)
		}
		return out, nil
	}
	return *self, nil
}

// unknownField names a field that the schema lacks: leaving it out would lose it silently.
func unknownField(t *avro.Type, in map[string]any) error {
	known := make(map[string]bool, len(t.Fields))
	for _, f := range t.Fields {
		known[f.Name] = true
	}
	name := ""
	for k := range in {
		if !known[k] && (name == "" || k < name) {
			name = k
		}
	}
	return fmt.Errorf("%s is not a field of the schema", name)
}

// union takes plain values: null, or the first member that the value fits. The
// error of a nullable type is that of its one other member.
func (c *compiler) union(t *avro.Type) (converter, error) {
	type member struct {
		name    string
		convert converter
	}
	var members []member
	nullable := false
	for _, m := range t.Branches {
		if m.Kind == "null" {
			nullable = true
			continue
		}
		convert, err := c.compile(m)
		if err != nil {
			return nil, err
		}
		members = append(members, member{unionKey(m), convert})
	}
	return func(v any) (any, error) {
		if v == nil {
			if nullable {
				return nil, nil
			}
			return nil, fmt.Errorf("null does not fit")
		}
		var firstErr error
		for _, m := range members {
			native, err := m.convert(v)
			if err == nil {
				return map[string]any{m.name: native}, nil
			}
			if firstErr == nil {
				firstErr = err
			}
		}
		if len(members) == 1 {
			return nil, firstErr
		}
		return nil, fmt.Errorf("%s fits no member of the union", describe(v))
	}, nil
}

// unionKey is the name by which goavro knows a member of a union.
func unionKey(t *avro.Type) string {
	switch {
	case t.Name != "":
		return t.Name
	case logical(t) != nil:
		return t.Kind + "." + t.Logical
	}
	return t.Kind
}
