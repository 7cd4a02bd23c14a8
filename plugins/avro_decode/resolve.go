package avrodecode

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Resolve makes a decoder that reads records which were written with one schema as rows
// of another, the reader's, by the rules of the Avro specification ("Schema Resolution"):
// fields go by name or alias; one that the reader lacks is passed over, one that the
// writer lacks takes its default; numbers widen, strings and bytes stand for each other.
//
// In three places it is more careful than the rules, which there take a value for another
// one: decimals have the same scale, times in milliseconds and microseconds are converted,
// and a decimal does not stand for a string. The error tells which field cannot be read.
func Resolve(writer *avro.Type, s *avro.Schema) (*Decoder, error) {
	d, err := Compile(s)
	if err != nil || avro.Equal(writer, s.Root) {
		return d, err
	}
	r := resolver{lists: map[[2]*avro.Type]*anyReader{}}
	if d.steps, err = r.record(writer, s.Root, "", 0); err != nil {
		return nil, fmt.Errorf("its schema cannot be read as %s: %w", s.Name, err)
	}
	return d, nil
}

// step reads a field of a record as it was written, and puts what it is to the reader
// into the row.
type step struct {
	name string
	do   func(in *input, row []event.Value)
}

// anyReader reads a value as JSON knows it.
type anyReader func(*input) any

var errUnread = errors.New("the branch of a union cannot be read by the schema")

// resolver compiles pairs of types; lists keeps those of records within lists, which may
// contain themselves.
type resolver struct {
	lists map[[2]*avro.Type]*anyReader
}

// width is the number of values that a field takes in a row.
func width(t *avro.Type) int {
	if t.Kind != "record" {
		return 1
	}
	n := 0
	for _, f := range t.Fields {
		n += width(f.Type)
	}
	return n
}

// record compiles the fields of a record that stands in the row itself, from at on.
func (c *resolver) record(w, r *avro.Type, prefix string, at int) (steps []step, err error) {
	if w.Kind != "record" || !sameName(w, r) {
		return nil, cannot(w, r)
	}
	places := make([]int, len(r.Fields))
	for i, f := range r.Fields {
		places[i] = at
		at += width(f.Type)
	}
	from, err := match(w, r)
	if err != nil {
		return nil, err
	}
	for k, wf := range w.Fields {
		i := slices.Index(from, k)
		if i < 0 {
			steps = append(steps, step{prefix + wf.Name, func(in *input, _ []event.Value) { in.skip(wf.Type) }})
			continue
		}
		more, err := c.field(wf.Type, r.Fields[i].Type, prefix+r.Fields[i].Name, places[i])
		if err != nil {
			return nil, within(r.Fields[i].Name, err)
		}
		steps = append(steps, more...)
	}
	for i, f := range r.Fields {
		if from[i] >= 0 {
			continue
		}
		constant, err := defaults(f, places[i])
		if err != nil {
			return nil, within(f.Name, err)
		}
		steps = append(steps, step{prefix + f.Name, constant})
	}
	return steps, nil
}

// match tells for each field of the reader which one of the writer it is, -1 where it is
// none and its default stands for it.
func match(w, r *avro.Type) ([]int, error) {
	from := make([]int, len(r.Fields))
	for i, f := range r.Fields {
		from[i] = named(w, f.Name)
		for _, alias := range f.Aliases {
			if from[i] < 0 && named(r, alias) < 0 {
				from[i] = named(w, alias)
			}
		}
		switch k := from[i]; {
		case k < 0 && f.Default == nil:
			return nil, fmt.Errorf("field %s is missing, and has no default", f.Name)
		case k >= 0 && slices.Index(from[:i], k) >= 0:
			return nil, fmt.Errorf("field %s is another field's already", f.Name)
		}
	}
	return from, nil
}

// named is which field of a record has a name, -1 where none has.
func named(t *avro.Type, name string) int {
	return slices.IndexFunc(t.Fields, func(f avro.Field) bool { return f.Name == name })
}

// field compiles a field whose value stands in the row at a place, or from there on.
func (c *resolver) field(w, r *avro.Type, name string, at int) ([]step, error) {
	switch {
	case r.Kind != "record":
		read, err := c.value(w, r)
		if err != nil {
			return nil, err
		}
		return []step{{name, func(in *input, row []event.Value) { row[at] = read(in) }}}, nil
	case w.Kind != "union":
		return c.record(w, r, name+".", at)
	}
	read, err := branches(w, func(b *avro.Type) (func(*input) func([]event.Value), error) {
		steps, err := c.field(b, r, name, at)
		return func(in *input) func([]event.Value) {
			return func(row []event.Value) {
				for _, s := range steps {
					s.do(in, row)
				}
			}
		}, err
	})
	if err != nil {
		return nil, err
	}
	return []step{{name, func(in *input, row []event.Value) {
		if fill := read(in); fill != nil {
			fill(row)
		}
	}}}, nil
}

// value compiles what becomes one value of a row.
func (c *resolver) value(w, r *avro.Type) (reader, error) {
	switch {
	case avro.Equal(w, r):
		return compile(r), nil
	case w.Kind == "union":
		return branches(w, func(b *avro.Type) (func(*input) event.Value, error) { return c.value(b, r) })
	case r.Kind == "union":
		return pick(w, r, c.value)
	case r.Kind == "record" || r.Kind == "array" || r.Kind == "map":
		read, err := c.any(w, r)
		if err != nil {
			return nil, err
		}
		return func(in *input) event.Value { return in.json(read(in)) }, nil
	}
	return leaf(w, r)
}

// any compiles what stands within a list, or is one.
func (c *resolver) any(w, r *avro.Type) (anyReader, error) {
	switch {
	case avro.Equal(w, r):
		return func(in *input) any { return in.any(r) }, nil
	case w.Kind == "union":
		return branches(w, func(b *avro.Type) (func(*input) any, error) { return c.any(b, r) })
	case r.Kind == "union":
		return pick(w, r, c.any)
	}
	pair := [2]*avro.Type{w, r}
	if known := c.lists[pair]; known != nil {
		return func(in *input) any { return (*known)(in) }, nil
	}
	self := new(anyReader)
	c.lists[pair] = self
	read, err := c.list(w, r)
	if err != nil {
		delete(c.lists, pair)
		return nil, err
	}
	*self = func(in *input) any {
		if in.depth++; in.depth > maxDepth {
			in.fail(errDepth)
			return nil
		}
		v := read(in)
		in.depth--
		return v
	}
	return *self, nil
}

func (c *resolver) list(w, r *avro.Type) (anyReader, error) {
	switch {
	case w.Kind == "record" && r.Kind == "record":
		return c.object(w, r)
	case w.Kind == "array" && r.Kind == "array":
		item, err := c.any(w.Elem, r.Elem)
		return func(in *input) any {
			list := []any{}
			in.blocks(func() { list = append(list, item(in)) })
			return list
		}, err
	case w.Kind == "map" && r.Kind == "map":
		item, err := c.any(w.Elem, r.Elem)
		return func(in *input) any {
			m := map[string]any{}
			in.blocks(func() { k := in.text(); m[k] = item(in) })
			return m
		}, err
	case r.Kind == "record" || r.Kind == "array" || r.Kind == "map":
		return nil, cannot(w, r)
	}
	read, err := leaf(w, r)
	return func(in *input) any { return read(in).Any() }, err
}

// object compiles a record that is kept whole.
func (c *resolver) object(w, r *avro.Type) (anyReader, error) {
	if !sameName(w, r) {
		return nil, cannot(w, r)
	}
	from, err := match(w, r)
	if err != nil {
		return nil, err
	}
	names, reads := make([]string, len(w.Fields)), make([]anyReader, len(w.Fields))
	for k, wf := range w.Fields {
		i := slices.Index(from, k)
		if i < 0 {
			reads[k] = func(in *input) any { in.skip(wf.Type); return nil }
			continue
		}
		if reads[k], err = c.any(wf.Type, r.Fields[i].Type); err != nil {
			return nil, within(r.Fields[i].Name, err)
		}
		names[k] = r.Fields[i].Name
	}
	missing := map[string]any{}
	for i, f := range r.Fields {
		if from[i] >= 0 {
			continue
		}
		in, err := defaultOf(f)
		if err != nil {
			return nil, within(f.Name, err)
		}
		if missing[f.Name] = in.any(f.Type); in.err != nil {
			return nil, within(f.Name, in.err)
		}
	}
	return func(in *input) any {
		m := make(map[string]any, len(r.Fields))
		for k, read := range reads {
			v := read(in)
			if in.err != nil {
				return nil
			}
			if names[k] != "" {
				m[names[k]] = v
			}
		}
		for name, v := range missing {
			m[name] = v // shared: who gets it writes it out as JSON
		}
		return m
	}, nil
}

// branches compiles what reads whichever branch of the writer's union is there. One that
// the reader has no type for is an error only of the records that have it.
func branches[T any](w *avro.Type, compile func(*avro.Type) (func(*input) T, error)) (func(*input) T, error) {
	reads := make([]func(*input) T, len(w.Branches))
	var firstErr error
	some := false
	for i, b := range w.Branches {
		read, err := compile(b)
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		reads[i], some = read, true
	}
	if !some {
		return nil, firstErr
	}
	return func(in *input) (none T) {
		switch n := in.long(); {
		case in.err != nil:
		case n < 0 || n >= int64(len(reads)):
			in.fail(errBranch)
		case reads[n] == nil:
			in.fail(errUnread)
		default:
			return reads[n](in)
		}
		return none
	}, nil
}

// pick compiles the branch of the reader's union that fits what was written: one of the
// same type and full name before one of the same type, before one that it widens to.
func pick[T any](w, r *avro.Type, compile func(w, r *avro.Type) (T, error)) (none T, err error) {
	for _, fits := range []func(b *avro.Type) bool{
		func(b *avro.Type) bool { return w.Kind == b.Kind && w.Name == b.Name },
		func(b *avro.Type) bool { return w.Kind == b.Kind },
		func(*avro.Type) bool { return true },
	} {
		for _, b := range r.Branches {
			if !fits(b) {
				continue
			}
			if read, err := compile(w, b); err == nil {
				return read, nil
			}
		}
	}
	return none, cannot(w, r)
}

// defaultOf is what a field without a value reads its default from.
func defaultOf(f avro.Field) (*input, error) {
	b, err := avro.AppendDefault(nil, f.Type, f.Default)
	return &input{b: b}, err
}

// defaults compiles what puts the default of a field into a row, at a place or from there on.
func defaults(f avro.Field, at int) (func(*input, []event.Value), error) {
	in, err := defaultOf(f)
	if err != nil {
		return nil, err
	}
	var d Decoder
	if f.Type.Kind == "record" {
		_, err = d.record(f.Type, "", nil, nil)
	} else {
		d.reads = []reader{compile(f.Type)}
	}
	if err != nil {
		return nil, err
	}
	values := make([]event.Value, len(d.reads))
	for i, read := range d.reads {
		if values[i] = read(in); in.err != nil {
			return nil, in.err
		}
	}
	return func(_ *input, row []event.Value) { copy(row[at:], values) }, nil
}

// json is a value of a list as it stands in a row.
func (in *input) json(v any) event.Value {
	if in.err != nil {
		return event.Value{}
	}
	text, err := json.Marshal(v)
	if err != nil {
		in.fail(err)
		return event.Value{}
	}
	return event.JSONOf(string(text))
}

// sameName tells whether a named type of the writer is that of the reader: without their
// namespaces the names are the same, or the reader knows it by an alias.
func sameName(w, r *avro.Type) bool {
	last := func(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
	return last(w.Name) == last(r.Name) || slices.Contains(r.Aliases, w.Name)
}

func cannot(w, r *avro.Type) error {
	return fmt.Errorf("%s cannot be read as %s", called(w), called(r))
}

// called is what a type is called in an error.
func called(t *avro.Type) string {
	switch {
	case t.Kind == "union":
		var names []string
		for _, b := range t.Branches {
			names = append(names, called(b))
		}
		return "[" + strings.Join(names, ", ") + "]"
	case t.Kind == "fixed":
		return fmt.Sprintf("fixed %s of %d bytes", t.Name, t.Size)
	case t.Name != "":
		return t.Kind + " " + t.Name
	case t.Logical == "decimal":
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case t.Logical != "":
		return t.Kind + " (" + t.Logical + ")"
	}
	return t.Kind
}

// within tells the field that an error is about.
func within(name string, err error) error {
	if inner, ok := errors.AsType[*fieldError](err); ok {
		return &fieldError{name + "." + inner.path, inner.err}
	}
	return &fieldError{name, err}
}

type fieldError struct {
	path string
	err  error
}

func (e *fieldError) Error() string { return "field " + e.path + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }
