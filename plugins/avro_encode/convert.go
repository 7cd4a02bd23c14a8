package avroencode

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
)

// fieldError carries the path of the field that does not fit.
type fieldError struct {
	path string
	err  error
}

func (e *fieldError) Error() string { return e.path + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

func atField(name string, err error) error {
	var inner *fieldError
	if errors.As(err, &inner) {
		return &fieldError{name + "." + inner.path, inner.err}
	}
	return &fieldError{name, err}
}

// plain holds the converters of the primitive types.
var plain = map[string]converter{
	"null": func(v any) (any, error) {
		if v != nil {
			return nil, fmt.Errorf("%s is not null", describe(v))
		}
		return nil, nil
	},
	"boolean": func(v any) (any, error) {
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, fmt.Errorf("%s is not a boolean", describe(v))
	},
	"int": func(v any) (any, error) {
		n, err := integer(v)
		if err != nil {
			return nil, err
		}
		if n < math.MinInt32 || n > math.MaxInt32 {
			return nil, fmt.Errorf("%d does not fit in 32 bits", n)
		}
		return int32(n), nil
	},
	"long":   func(v any) (any, error) { n, err := integer(v); return n, err },
	"float":  float,
	"double": float,
	"bytes": func(v any) (any, error) {
		switch b := v.(type) {
		case []byte:
			return b, nil
		case string:
			return []byte(b), nil
		}
		return nil, fmt.Errorf("%s is not a string of bytes", describe(v))
	},
	"string": func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s is not a string", describe(v))
		}
		if !utf8.ValidString(s) {
			return nil, fmt.Errorf("%q is not valid UTF-8", s)
		}
		return s, nil
	},
}

// logical returns the converter of a type with a logical type that is known
// here, else nil: by the specification an unknown one counts for nothing.
func logical(t *avro.Type) converter {
	switch t.Kind + "." + t.Logical {
	case "long.timestamp-millis":
		return instant(time.Time.UnixMilli)
	case "long.timestamp-micros":
		return instant(time.Time.UnixMicro)
	case "int.date":
		return func(v any) (any, error) {
			if s, ok := v.(string); ok {
				d, err := time.Parse(time.DateOnly, s)
				if err != nil {
					return nil, fmt.Errorf("%q is not a date", s)
				}
				v = d
			}
			if d, ok := v.(time.Time); ok {
				return int32(math.Floor(float64(d.Unix()) / 86400)), nil
			}
			return plain["int"](v)
		}
	case "bytes.decimal", "fixed.decimal":
		return decimalOf(t.Precision, t.Scale)
	}
	return nil
}

// instant takes a time.Time, an RFC 3339 string, or a number that is in the
// unit of the schema already.
func instant(unit func(time.Time) int64) converter {
	return func(v any) (any, error) {
		switch x := v.(type) {
		case time.Time:
			return unit(x), nil
		case string:
			at, err := time.Parse(time.RFC3339Nano, x)
			if err != nil {
				return nil, fmt.Errorf("%q is not an RFC 3339 time", x)
			}
			return unit(at), nil
		}
		n, err := integer(v)
		if err != nil {
			return nil, fmt.Errorf("%s is not a time", describe(v))
		}
		return n, nil
	}
}

// maxDecimalText bounds the text of a number, so that an exponent cannot make it huge.
const maxDecimalText = 64

// decimalOf takes numbers and their texts. A value is taken exactly or refused.
func decimalOf(precision, scale int) converter {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	return func(v any) (any, error) {
		text, err := numberText(v)
		if err != nil {
			return nil, err
		}
		r, ok := parseRat(text)
		if !ok {
			return nil, fmt.Errorf("%s is not a number", describe(v))
		}
		unscaled := new(big.Rat).Mul(r, unit)
		if !unscaled.IsInt() {
			return nil, fmt.Errorf("%s has more than %d decimals", text, scale)
		}
		if unscaled.Num().CmpAbs(limit) >= 0 {
			return nil, fmt.Errorf("%s has more than %d digits", text, precision)
		}
		return r, nil
	}
}

func parseRat(text string) (*big.Rat, bool) {
	text = strings.TrimSpace(text)
	if len(text) > maxDecimalText || strings.ContainsAny(text, "/_xXpPbBoO") {
		return nil, false
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if exp, err := strconv.Atoi(text[i+1:]); err != nil || exp < -maxDecimalText || exp > maxDecimalText {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}

// numberText is the decimal text of a number. For a float it is the shortest one
// that reads back as the same float: what its author wrote.
func numberText(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case json.Number:
		return x.String(), nil
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	case float32:
		return strconv.FormatFloat(float64(x), 'f', -1, 32), nil
	}
	n, err := integer(v)
	if err != nil {
		return "", fmt.Errorf("%s is not a number", describe(v))
	}
	return strconv.FormatInt(n, 10), nil
}

// integer takes every numeric type that holds a whole number.
func integer(v any) (int64, error) {
	switch x := v.(type) {
	case int64:
		return x, nil
	case int:
		return int64(x), nil
	case int32:
		return int64(x), nil
	case uint32:
		return int64(x), nil
	case uint64:
		if x <= math.MaxInt64 {
			return int64(x), nil
		}
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<63 {
			return int64(x), nil
		}
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n, nil
		}
		if r, ok := parseRat(x.String()); ok && r.IsInt() && r.Num().IsInt64() {
			return r.Num().Int64(), nil
		}
	}
	return 0, fmt.Errorf("%s is not a whole number", describe(v))
}

func float(v any) (any, error) {
	switch x := v.(type) {
	case float64:
		return x, nil
	case float32:
		return float64(x), nil
	case json.Number:
		if f, err := x.Float64(); err == nil {
			return f, nil
		}
	}
	n, err := integer(v)
	if err != nil {
		return nil, fmt.Errorf("%s is not a number", describe(v))
	}
	return float64(n), nil
}

func enumOf(t *avro.Type) converter {
	return func(v any) (any, error) {
		if s, ok := v.(string); ok && slices.Contains(t.Symbols, s) {
			return s, nil
		}
		return nil, fmt.Errorf("%s is not one of %s", describe(v), strings.Join(t.Symbols, ", "))
	}
}

func fixedOf(size int) converter {
	return func(v any) (any, error) {
		b, err := plain["bytes"](v)
		if err != nil {
			return nil, err
		}
		if n := len(b.([]byte)); n != size {
			return nil, fmt.Errorf("%d bytes, want %d", n, size)
		}
		return b, nil
	}
}

func arrayOf(elem converter) converter {
	return func(v any) (any, error) {
		in, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("%s is not an array", describe(v))
		}
		out := make([]any, len(in))
		for i, x := range in {
			var err error
			if out[i], err = elem(x); err != nil {
				return nil, atField(strconv.Itoa(i), err)
			}
		}
		return out, nil
	}
}

func mapOf(elem converter) converter {
	return func(v any) (any, error) {
		in, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s is not an object", describe(v))
		}
		out := make(map[string]any, len(in))
		for k, x := range in {
			var err error
			if out[k], err = elem(x); err != nil {
				return nil, atField(k, err)
			}
		}
		return out, nil
	}
}

// describe shows a value in an error, shortened.
func describe(v any) string {
	const most = 60
	if v == nil {
		return "null"
	}
	text := fmt.Sprint(v)
	if s, ok := v.(string); ok {
		text = strconv.Quote(s)
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
