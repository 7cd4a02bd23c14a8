package avrodecode

import (
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// leaf compiles the pairs of types without members.
func leaf(w, r *avro.Type) (reader, error) {
	switch w.Kind + " " + r.Kind {
	case "int int", "long long", "int long":
		return number(w, r)
	case "null null", "boolean boolean", "float float", "double double", "string string", "float double":
		return compile(w), nil
	case "bytes bytes":
		if w.Logical == "decimal" && r.Logical == "decimal" && w.Scale != r.Scale {
			return nil, cannot(w, r)
		}
		return compile(r), nil
	case "fixed fixed":
		if !sameName(w, r) || w.Size != r.Size || w.Logical == "decimal" && r.Logical == "decimal" && w.Scale != r.Scale {
			return nil, cannot(w, r)
		}
		return compile(r), nil
	case "int float", "long float": // a float has 24 bits
		return func(in *input) event.Value { return event.FloatOf(float64(float32(in.whole(w)))) }, nil
	case "int double", "long double":
		return func(in *input) event.Value { return event.FloatOf(float64(in.whole(w))) }, nil
	case "string bytes":
		if r.Logical == "decimal" {
			return nil, cannot(w, r)
		}
		return func(in *input) event.Value { return event.StringOf(in.text()) }, nil
	case "bytes string":
		if w.Logical == "decimal" {
			return nil, cannot(w, r)
		}
		return func(in *input) event.Value { return event.StringOf(in.text()) }, nil
	case "enum enum":
		return symbol(w, r)
	}
	return nil, cannot(w, r)
}

// whole reads a number of the width that it was written with.
func (in *input) whole(w *avro.Type) int64 {
	if w.Kind == "int" {
		return in.int()
	}
	return in.long()
}

// inTime are the logical types of numbers that become times.
var inTime = []string{"timestamp-millis", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros", "date"}

// number compiles whole numbers: a time by the unit in which it was written.
func number(w, r *avro.Type) (reader, error) {
	as := &avro.Type{Kind: w.Kind, Logical: r.Logical}
	if slices.Contains(inTime, w.Logical) && slices.Contains(inTime, r.Logical) {
		if w.Logical != r.Logical && (w.Logical == "date" || r.Logical == "date") {
			return nil, cannot(w, r)
		}
		as.Logical = w.Logical
	}
	if as.Kind == "int" && as.Logical != "date" { // a time of 32 bits is read as one of 64
		if slices.Contains(inTime, as.Logical) {
			as.Kind = "long"
		}
	}
	return compile(as), nil
}

// symbol compiles an enum. A symbol that the reader lacks is the one that its default
// names, and without one an error of the records that have it.
func symbol(w, r *avro.Type) (reader, error) {
	if !sameName(w, r) {
		return nil, cannot(w, r)
	}
	symbols := slices.Clone(w.Symbols)
	for i, s := range symbols {
		if !slices.Contains(r.Symbols, s) {
			symbols[i] = r.Fallback
		}
	}
	return func(in *input) event.Value {
		n := in.long()
		if n < 0 || n >= int64(len(symbols)) || symbols[n] == "" {
			in.fail(errSymbol)
			return event.Value{}
		}
		return event.StringOf(symbols[n])
	}, nil
}
