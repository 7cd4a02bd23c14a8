package event

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

// anything draws a value of any kind.
func anything() *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			return Value{}
		case 1:
			return BoolOf(rapid.Bool().Draw(t, "b"))
		case 2:
			return FloatOf(rapid.Float64().Draw(t, "f"))
		case 3:
			return StringOf(rapid.String().Draw(t, "s"))
		case 4:
			return TimestampOf(Time(rapid.Int64Range(-6e13, 2e14).Draw(t, "ms")))
		case 5:
			return JSONOf(rapid.SampledFrom([]string{`[]`, `{}`, `[1,"a",null]`, `{"a":[1.50,{"b":true}]}`}).Draw(t, "json"))
		}
		v := number().Draw(t, "n")
		if v.Kind() == Decimal && v.Scale() == 0 {
			return IntOf(v.Int()) // its text is that of an integer
		}
		return v
	})
}

func TestAnyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anything().Draw(t, "v")
		if back := ValueOf(v.Any()); back != v {
			t.Fatalf("%#v came back as %#v", v, back)
		}
	})
}

// TestAnyIsWhatJSONSays: what Any makes is what encoding/json reads from its own text.
func TestAnyIsWhatJSONSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anything().Draw(t, "v")
		text, err := json.Marshal(v.Any())
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var a any
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(ValueOf(a).Any())
		if err != nil {
			t.Fatal(err)
		}
		if v.Kind() == Float {
			return // JSON may write the same float as an integer or with an exponent
		}
		if !bytes.Equal(text, again) {
			t.Fatalf("%s became %s", text, again)
		}
	})
}

func TestValueOf(t *testing.T) {
	for _, c := range []struct {
		in   any
		want Value
	}{
		{nil, Value{}}, {true, BoolOf(true)}, {"x", StringOf("x")}, {[]byte("x"), StringOf("x")},
		{int(-1), IntOf(-1)}, {int8(-1), IntOf(-1)}, {int16(-1), IntOf(-1)}, {int32(-1), IntOf(-1)}, {int64(-1), IntOf(-1)},
		{uint(1), IntOf(1)}, {uint8(1), IntOf(1)}, {uint16(1), IntOf(1)}, {uint32(1), IntOf(1)}, {uint64(1), IntOf(1)},
		{uint64(math.MaxUint64), FloatOf(math.MaxUint64)},
		{float32(0.5), FloatOf(0.5)}, {0.25, FloatOf(0.25)},
		{json.Number("12.30"), DecimalOf(1230, 2)}, {json.Number("12"), IntOf(12)},
		{json.Number("1e3"), FloatOf(1000)}, {json.Number("0.12345678901234567890"), FloatOf(0.12345678901234568)}, {json.Number("x"), Value{}},
		{time.UnixMilli(5).In(time.FixedZone("x", 3600)), TimestampOf(5)},
		{[]any{"a", json.Number("1.50")}, JSONOf(`["a",1.50]`)}, {map[string]any{"b": nil, "a": 1}, JSONOf(`{"a":1,"b":null}`)},
		{make(chan int), Value{}}, {math.NaN, Value{}},
	} {
		if got := ValueOf(c.in); got != c.want {
			t.Errorf("ValueOf(%T %v) = %#v, want %#v", c.in, c.in, got, c.want)
		}
	}
}

func TestAny(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want any
	}{
		{Value{}, nil}, {BoolOf(false), false}, {IntOf(5), int64(5)}, {DecimalOf(-5, 2), json.Number("-0.05")}, {FloatOf(1.5), 1.5},
		{TimestampOf(-1), time.UnixMilli(-1).UTC()}, {JSONOf(`[1.50]`), []any{json.Number("1.50")}}, {JSONOf(`[`), "["},
	} {
		if got := c.v.Any(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%#v is %#v, want %#v", c.v, got, c.want)
		}
	}
}

func TestCloneSharesNoMemory(t *testing.T) {
	buffer := []byte("abc")
	v := StringOf(unsafe.String(&buffer[0], len(buffer)))
	kept := v.Clone()
	buffer[0] = 'x'
	if kept.Str() != "abc" || v.Str() != "xbc" {
		t.Errorf("the clone is %q, the original %q", kept.Str(), v.Str())
	}
}
