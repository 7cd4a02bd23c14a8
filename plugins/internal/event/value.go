package event

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unsafe"
)

// Kind tells what a Value holds.
type Kind uint8

// The kinds of value. Arrays and objects travel as their JSON text: no operator looks inside them.
const (
	Null Kind = iota
	Bool
	Int
	Decimal
	Float
	String
	Timestamp
	JSON
)

// Value is one field of a row. The zero Value is null.
type Value struct {
	str   string
	num   int64
	kind  Kind
	scale uint8
}

// BoolOf makes a boolean value.
func BoolOf(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.num = 1
	}
	return v
}

// IntOf makes an integer value.
func IntOf(n int64) Value { return Value{kind: Int, num: n} }

// FloatOf makes a floating point value.
func FloatOf(f float64) Value { return Value{kind: Float, num: int64(math.Float64bits(f))} }

// StringOf makes a text value.
func StringOf(s string) Value { return Value{kind: String, str: s} }

// TimestampOf makes an instant.
func TimestampOf(t Time) Value { return Value{kind: Timestamp, num: int64(t)} }

// DecimalOf makes the exact number unscaled × 10^-scale. Scale is at most MaxScale.
func DecimalOf(unscaled int64, scale uint8) Value {
	return Value{kind: Decimal, num: unscaled, scale: scale}
}

// JSONOf makes an array or object from its JSON text.
func JSONOf(text string) Value { return Value{kind: JSON, str: text} }

// Kind tells what v holds.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether v is null.
func (v Value) IsNull() bool { return v.kind == Null }

// Bool is true for the boolean true only.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

// Int is the integer, the unscaled decimal or the milliseconds that v holds.
func (v Value) Int() int64 { return v.num }

// Scale is the number of decimal places of a decimal.
func (v Value) Scale() uint8 { return v.scale }

// Str is the text of a string or JSON value.
func (v Value) Str() string { return v.str }

// Float is a numeric value as a floating point number; false where v is no number.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case Int:
		return float64(v.num), true
	case Decimal:
		return float64(v.num) / math.Pow10(int(v.scale)), true
	case Float:
		return math.Float64frombits(uint64(v.num)), true
	}
	return 0, false
}

// Clone makes a value that shares no memory with the record it was decoded from:
// what an operator keeps in its state must be a clone.
func (v Value) Clone() Value {
	if v.str != "" {
		v.str = string(append([]byte(nil), v.str...))
	}
	return v
}

// CloneTo is Clone with the text appended to b, which is returned. What b had does not
// change.
func (v Value) CloneTo(b []byte) (Value, []byte) {
	if v.str != "" {
		n := len(b)
		b = append(b, v.str...)
		v.str = unsafe.String(&b[n], len(v.str))
	}
	return v, b
}

// Key is the text under which state is filed: equal values have equal keys, 1.5 and
// 1.50 too, and the text of a string is its own key.
func (v Value) Key() string {
	switch v.kind {
	case String, JSON:
		return v.str
	case Bool:
		return strconv.FormatBool(v.num != 0)
	case Int, Timestamp:
		return strconv.FormatInt(v.num, 10)
	case Decimal:
		n, scale := v.num, v.scale
		for scale > 0 && n%10 == 0 {
			n, scale = n/10, scale-1
		}
		return formatDecimal(n, scale)
	case Float:
		f, _ := v.Float()
		return strconv.FormatFloat(f+0, 'f', -1, 64) // + 0 takes the sign from a zero
	}
	return ""
}

// Any is v as Benthos and encoding/json know it: exact numbers as json.Number,
// instants as time.Time in UTC.
func (v Value) Any() any {
	switch v.kind {
	case Bool:
		return v.num != 0
	case Int:
		return v.num
	case Decimal:
		return json.Number(formatDecimal(v.num, v.scale))
	case Float:
		f, _ := v.Float()
		return f
	case String:
		return v.str
	case Timestamp:
		return Time(v.num).UTC()
	case JSON:
		d := json.NewDecoder(bytes.NewReader([]byte(v.str)))
		d.UseNumber()
		var a any
		if d.Decode(&a) == nil {
			return a
		}
		return v.str
	}
	return nil
}

// ValueOf is the inverse of Any. Types that JSON does not know become null.
func ValueOf(a any) Value {
	switch t := a.(type) {
	case nil:
		return Value{}
	case bool:
		return BoolOf(t)
	case string:
		return StringOf(t)
	case []byte:
		return StringOf(string(t))
	case int:
		return IntOf(int64(t))
	case int8:
		return IntOf(int64(t))
	case int16:
		return IntOf(int64(t))
	case int32:
		return IntOf(int64(t))
	case int64:
		return IntOf(t)
	case uint:
		return ValueOf(uint64(t))
	case uint8:
		return IntOf(int64(t))
	case uint16:
		return IntOf(int64(t))
	case uint32:
		return IntOf(int64(t))
	case uint64:
		if t <= math.MaxInt64 {
			return IntOf(int64(t))
		}
		return FloatOf(float64(t))
	case float32:
		return FloatOf(float64(t))
	case float64:
		return FloatOf(t)
	case json.Number:
		if v, ok := ParseDecimal(t.String()); ok {
			return v
		}
		f, err := t.Float64()
		if err != nil {
			return Value{}
		}
		return FloatOf(f)
	case time.Time:
		return TimestampOf(TimeOf(t))
	}
	text, err := json.Marshal(a)
	if err != nil {
		return Value{}
	}
	return JSONOf(string(text))
}
