package avro

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// maxDefaultDepth bounds defaults of types that contain themselves.
const maxDefaultDepth = 100

// AppendDefault appends the binary encoding of a default to dst, which is told in the
// JSON of the Avro specification ("Complex Types, Records"): the bytes of binary types are
// characters up to U+00FF, and a default of a union is one of its first member. As the
// newer specification allows it, any other member will do where the first does not fit.
func AppendDefault(dst []byte, t *Type, text json.RawMessage) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the default is more than one value")
	}
	return appendDefault(dst, t, v, 0)
}

func appendDefault(dst []byte, t *Type, v any, depth int) ([]byte, error) {
	if depth > maxDefaultDepth {
		return nil, errors.New("the default has no end")
	}
	switch t.Kind {
	case "union":
		for i, b := range t.Branches {
			if out, err := appendDefault(binary.AppendVarint(dst, int64(i)), b, v, depth+1); err == nil {
				return out, nil
			}
		}
	case "record":
		if m, ok := v.(map[string]any); ok {
			return appendRecord(dst, t, m, depth)
		}
	case "array":
		if list, ok := v.([]any); ok {
			return appendItems(dst, len(list), func(dst []byte, i int) ([]byte, error) {
				return appendDefault(dst, t.Elem, list[i], depth+1)
			})
		}
	case "map":
		if m, ok := v.(map[string]any); ok {
			keys := slices.Sorted(maps.Keys(m))
			return appendItems(dst, len(keys), func(dst []byte, i int) ([]byte, error) {
				dst = append(binary.AppendVarint(dst, int64(len(keys[i]))), keys[i]...)
				return appendDefault(dst, t.Elem, m[keys[i]], depth+1)
			})
		}
	default:
		if out, ok := appendSimple(dst, t, v); ok {
			return out, nil
		}
	}
	return nil, fmt.Errorf("the default %v is no %s", v, t.Kind)
}

func appendRecord(dst []byte, t *Type, m map[string]any, depth int) ([]byte, error) {
	for _, f := range t.Fields {
		var err error
		if v, ok := m[f.Name]; ok {
			dst, err = appendDefault(dst, f.Type, v, depth+1)
		} else if f.Default == nil {
			err = errors.New("it is missing in the default")
		} else {
			var v any
			d := json.NewDecoder(bytes.NewReader(f.Default))
			d.UseNumber()
			if err = d.Decode(&v); err == nil {
				dst, err = appendDefault(dst, f.Type, v, depth+1)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return dst, nil
}

// appendItems appends the one block of a list, and its end.
func appendItems(dst []byte, n int, item func(dst []byte, i int) ([]byte, error)) ([]byte, error) {
	if n > 0 {
		dst = binary.AppendVarint(dst, int64(n))
	}
	for i := range n {
		var err error
		if dst, err = item(dst, i); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

// appendSimple appends a value of a type without members.
func appendSimple(dst []byte, t *Type, v any) (out []byte, ok bool) {
	switch t.Kind {
	case "null":
		return dst, v == nil
	case "boolean":
		b, ok := v.(bool)
		if b {
			return append(dst, 1), ok
		}
		return append(dst, 0), ok
	case "int", "long":
		n, ok := v.(json.Number)
		if !ok {
			return nil, false
		}
		i, err := n.Int64()
		return binary.AppendVarint(dst, i), err == nil && (t.Kind == "long" || i == int64(int32(i)))
	case "float", "double":
		n, ok := v.(json.Number)
		if !ok {
			return nil, false
		}
		f, err := n.Float64()
		if t.Kind == "float" {
			return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), err == nil
		}
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), err == nil
	case "string":
		s, ok := v.(string)
		return append(binary.AppendVarint(dst, int64(len(s))), s...), ok
	case "enum":
		s, _ := v.(string)
		i := slices.Index(t.Symbols, s)
		return binary.AppendVarint(dst, int64(i)), i >= 0
	}
	s, isText := v.(string)
	b, ok := latin1(s)
	if t.Kind == "fixed" {
		return append(dst, b...), ok && isText && len(b) == t.Size
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...), ok && isText
}

// latin1 makes bytes of characters up to U+00FF.
func latin1(s string) ([]byte, bool) {
	b := make([]byte, 0, len(s))
	for _, c := range s {
		if c > 0xFF {
			return nil, false
		}
		b = append(b, byte(c))
	}
	return b, true
}
