package pgupsert

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"pgregory.net/rapid"
)

func typeNamed(t *testing.T, name string) columnType {
	t.Helper()
	typ, ok := typeOf(name)
	if !ok {
		t.Fatalf("type %s is not supported", name)
	}
	return typ
}

func TestConvert(t *testing.T) {
	at := time.Date(2018, 1, 31, 23, 59, 58, 123_456_789, time.FixedZone("", 3600))
	for _, c := range []struct {
		typ  string
		in   any
		want string // "!" and a part of the error where it must fail
	}{
		{"bigint", int64(-7), "-7"},
		{"bigint", int32(7), "7"},
		{"bigint", uint64(math.MaxUint64), "!not of type bigint"},
		{"bigint", json.Number("9223372036854775807"), "9223372036854775807"},
		{"bigint", json.Number("9223372036854775808"), "!not of type bigint"},
		{"bigint", json.Number("12.0"), "12"},
		{"bigint", json.Number("1e3"), "1000"},
		{"bigint", json.Number("12.5"), "!not of type bigint"},
		{"bigint", json.Number("1e999999999"), "!not of type bigint"},
		{"bigint", float64(3), "3"},
		{"bigint", 3.5, "!not of type bigint"},
		{"bigint", math.NaN(), "!not of type bigint"},
		{"bigint", " 42 ", "42"},
		{"bigint", "abc", `!"abc" is not of type bigint`},
		{"bigint", "", "!not of type bigint"},
		{"bigint", true, "!not of type bigint"},
		{"integer", int64(1) << 40, "!not of type integer"},
		{"smallint", 32768, "!not of type smallint"},
		{"numeric", json.Number("12.34"), "12.34"},
		{"numeric", "0.10000000000000000000000001", "0.10000000000000000000000001"},
		{"numeric", 12.34, "12.34"},
		{"numeric", float32(0.5), "0.5"},
		{"numeric", "-.5e-3", "-.5e-3"},
		{"numeric", "1,5", "!not of type numeric"},
		{"numeric", "NaN", "!not of type numeric"},
		{"numeric", math.Inf(1), "!not of type numeric"},
		{"numeric", ".", "!not of type numeric"},
		{"numeric", "+-1", "!not of type numeric"},
		{"numeric", "1e", "!not of type numeric"},
		{"double precision", 0.1, "0.1"},
		{"double precision", math.Inf(-1), "-Inf"},
		{"double precision", json.Number("1e400"), "!not of type double"},
		{"real", int64(3), "3"},
		{"text", "a'b\"c\\", "a'b\"c\\"},
		{"text", []byte("raw"), "raw"},
		{"text", json.Number("1.50"), "1.50"},
		{"text", int64(5), "5"},
		{"text", false, "false"},
		{"text", at, "2018-01-31T22:59:58.123456789Z"},
		{"text", map[string]any{"a": "<&>"}, `{"a":"<&>"}`},
		{"text", "a\x00b", "!NUL at byte 1"},
		{"text", "a\xff", "!not UTF-8"},
		{"text", struct{}{}, "!not a text"},
		{"character varying", "x", "x"},
		{"boolean", true, "true"},
		{"boolean", "FALSE", "false"},
		{"boolean", int64(1), "!not of type boolean"},
		{"timestamp with time zone", at, "2018-01-31T22:59:58.123457Z"},
		{"timestamp with time zone", "2018-01-31T23:59:58+01:00", "2018-01-31T22:59:58Z"},
		{"timestamp with time zone", "2018-01-31 23:59:58.5", "2018-01-31T23:59:58.5Z"},
		{"timestamp with time zone", "2018-01-31", "2018-01-31T00:00:00Z"},
		{"timestamp with time zone", "infinity", "infinity"},
		{"timestamp with time zone", "now", "!not of type timestamp"},
		{"timestamp with time zone", int64(1517443198), "!not of type timestamp"},
		{"timestamp with time zone", time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), "!not of type timestamp"},
		{"jsonb", map[string]any{"n": json.Number("1.10"), "l": []any{nil, "x"}}, `{"l":[null,"x"],"n":1.10}`},
		{"jsonb", "text", `"text"`},
		{"json", math.NaN(), "!JSON"},
		{"uuid", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{"uuid", "6ba7b810", "!not of type uuid"},
		{"uuid", 5, "!not of type uuid"},
		{"text[]", []any{"a", nil, `q"\`}, `{"a",NULL,"q\"\\"}`},
		{"text[]", []string{}, `{}`},
		{"text[]", "a", "!not of type text[]"},
		{"bigint[]", []any{int64(1), json.Number("2")}, `{1,2}`},
		{"bigint[]", []any{int64(1), "x"}, "!element 1"},
		{"bigint[]", []int64{3}, `{3}`},
		{"text[]", []byte("ab"), "!not of type text[]"},
	} {
		got, err := convert(typeNamed(t, c.typ), c.in)
		if part, fails := strings.CutPrefix(c.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s of %#v: got %q and error %v, want an error with %q", c.typ, c.in, got.text, err, part)
			}
			continue
		}
		if err != nil || got.null || got.text != c.want {
			t.Errorf("%s of %#v: got %+v and error %v, want %q", c.typ, c.in, got, err, c.want)
		}
	}
}

func TestConvertNull(t *testing.T) {
	for name := range scalarTypes {
		got, err := convert(typeNamed(t, name), nil)
		if err != nil || !got.null {
			t.Errorf("%s of nil: %+v, %v", name, got, err)
		}
	}
}

func TestErrorsAreOneShortLine(t *testing.T) {
	_, err := convert(typeBigint, strings.Repeat("long\n", 1000))
	if err == nil || len(err.Error()) > 200 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
}

func TestUnsupportedTypes(t *testing.T) {
	for _, name := range []string{"bytea", "date", "json[]", "timestamp without time zone", "text[][]", "", "[]"} {
		if typ, ok := typeOf(name); ok {
			t.Errorf("type %q is taken as %+v", name, typ)
		}
	}
}

// What arrayLiteral writes, an independent reader of array literals reads back.
func TestArrayLiteralRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOf(rapid.StringOf(rapid.RuneFrom([]rune("a,{}\"\\ 'NULé\n")))).Draw(t, "elements")
		cells := make([]cell, len(in))
		for i, s := range in {
			cells[i] = cell{text: s}
		}
		var out pq.StringArray
		if err := out.Scan(arrayLiteral(typeText, cells)); err != nil {
			t.Fatal(err)
		}
		if len(out) != len(in) {
			t.Fatalf("%d elements became %d", len(in), len(out))
		}
		for i := range in {
			if in[i] != out[i] {
				t.Fatalf("element %d: %q became %q", i, in[i], out[i])
			}
		}
	})
}

// No number is refused and none loses a digit on the way to a numeric.
func TestDecimalsKeepTheirDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`-?[0-9]{1,30}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?`).Draw(t, "decimal")
		typ, _ := typeOf("numeric")
		for _, v := range []any{s, json.Number(s)} {
			got, err := convert(typ, v)
			if err != nil || got.text != s {
				t.Fatalf("%T %s became %q, error %v", v, s, got.text, err)
			}
		}
	})
}
