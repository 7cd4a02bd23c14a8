package event

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// rat is a numeric value in the arithmetic of math/big.
func rat(v Value) *big.Rat {
	switch v.Kind() {
	case Int:
		return new(big.Rat).SetInt64(v.Int())
	case Decimal:
		return new(big.Rat).SetFrac(big.NewInt(v.Int()), power(int(v.Scale())))
	case Float:
		f, _ := v.Float()
		return new(big.Rat).SetFloat64(f)
	}
	return nil
}

func power(scale int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
}

// round is x × 10^scale rounded half away from zero.
func round(x *big.Rat, scale int) *big.Int {
	scaled := new(big.Rat).Mul(x, new(big.Rat).SetInt(power(scale)))
	twice := new(big.Int).Mul(new(big.Int).Abs(scaled.Num()), big.NewInt(2))
	twice.Add(twice, scaled.Denom())
	twice.Quo(twice, new(big.Int).Mul(scaled.Denom(), big.NewInt(2)))
	if scaled.Sign() < 0 {
		twice.Neg(twice)
	}
	return twice
}

func unscaled() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64Range(-1000, 1000), rapid.Int64(),
		rapid.SampledFrom([]int64{0, 1, -1, 5, -5, 50, 49, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, 1e18, -1e18}),
	)
}

// number draws an integer or a decimal.
func number() *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		n := unscaled().Draw(t, "unscaled")
		if rapid.Bool().Draw(t, "integer") {
			return IntOf(n)
		}
		return DecimalOf(n, uint8(rapid.IntRange(0, MaxScale).Draw(t, "scale")))
	})
}

func TestParseDecimal(t *testing.T) {
	for text, want := range map[string]Value{
		"0": IntOf(0), "-7": IntOf(-7), "+7": IntOf(7), "007": IntOf(7),
		"12.34": DecimalOf(1234, 2), "-0.5": DecimalOf(-5, 1), ".5": DecimalOf(5, 1), "1.50": DecimalOf(150, 2),
		"9223372036854775807":   IntOf(math.MaxInt64),
		"-9223372036854775808":  IntOf(math.MinInt64),
		"-92233720368547758.08": DecimalOf(math.MinInt64, 2),
		"0.000000000000000001":  DecimalOf(1, 18),
	} {
		if got, ok := ParseDecimal(text); !ok || got != want {
			t.Errorf("%q = %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", ".", "-", "5.", "1.-5", "1.+5", "1.2.3", "1e5", "0x10", "1_000", " 1", "1 ", "1,5", "NaN", "Inf", "--1",
		"9223372036854775808", "-9223372036854775809", "92233720368547758.08", "0.0000000000000000001",
	} {
		if got, ok := ParseDecimal(text); ok {
			t.Errorf("%q = %v, want a refusal", text, got)
		}
	}
}

// TestDecimalTextIsExact: a number prints as math/big prints it, and reads back as itself.
func TestDecimalTextIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := number().Draw(t, "v")
		text := formatDecimal(v.Int(), v.Scale())
		if want := rat(v).FloatString(int(v.Scale())); text != want {
			t.Fatalf("%d scale %d prints as %s, want %s", v.Int(), v.Scale(), text, want)
		}
		if got := v.AppendNumber([]byte("x")); string(got) != "x"+text {
			t.Fatalf("%s is appended as %s", text, got)
		}
		back, ok := ParseDecimal(text)
		if !ok || back.Int() != v.Int() || back.Scale() != v.Scale() {
			t.Fatalf("%s reads back as %v, %v", text, back, ok)
		}
	})
}

func TestMoney(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want int64
	}{
		{IntOf(3), 300}, {IntOf(-3), -300},
		{DecimalOf(1005, 3), 101}, {DecimalOf(1004, 3), 100}, {DecimalOf(-1005, 3), -101}, {DecimalOf(-1004, 3), -100},
		{DecimalOf(15, 1), 150},
		{FloatOf(1.005), 101}, {FloatOf(-1.005), -101}, {FloatOf(0.1 + 0.2), 30}, {FloatOf(1e-20), 0}, {FloatOf(12345678.9), 1234567890},
		{StringOf("19.99"), 1999}, {StringOf("2.675"), 268}, {StringOf("-0.005"), -1}, {StringOf("7"), 700},
	} {
		if got, ok := Money(c.v, 2); !ok || got != DecimalOf(c.want, 2) {
			t.Errorf("%s as cents = %v, %v; want %d", c.v.Key(), got, ok, c.want)
		}
	}
	for _, v := range []Value{
		{}, BoolOf(true), TimestampOf(5), JSONOf("[1]"), StringOf(""), StringOf("1,50"), StringOf("1e2"), StringOf("NaN"),
		FloatOf(math.NaN()), FloatOf(math.Inf(1)), FloatOf(math.Inf(-1)), FloatOf(1e17), FloatOf(1e300), IntOf(math.MaxInt64), IntOf(math.MinInt64),
	} {
		if got, ok := Money(v, 2); ok {
			t.Errorf("%s as cents = %v, want a refusal", v.Key(), got)
		}
	}
}

// TestMoneyRoundsHalfAwayFromZero compares with math/big for every exact number,
// and says no exactly where the result does not fit.
func TestMoneyRoundsHalfAwayFromZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := number().Draw(t, "v")
		scale := rapid.IntRange(0, MaxScale).Draw(t, "to")
		got, ok := Money(v, uint8(scale))
		want := round(rat(v), scale)
		if ok != want.IsInt64() || ok && (got.Int() != want.Int64() || got.Scale() != uint8(scale)) {
			t.Fatalf("%s to %d places = %v, %v; want %v", v.Key(), scale, got, ok, want)
		}
		if s, okText := Money(StringOf(rat(v).FloatString(int(v.Scale()))), uint8(scale)); okText != ok || ok && s != got {
			t.Fatalf("the text of %s is %v, the number %v", v.Key(), s, got)
		}
	})
}

// TestMoneyReadsFloatsAsWritten: a float means the shortest decimal that reads back as it.
func TestMoneyReadsFloatsAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-1e12, 1e12).Draw(t, "n")
		places := rapid.IntRange(0, 3).Draw(t, "places")
		text := formatDecimal(n, uint8(places))
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := Money(FloatOf(f), 2)
		want := round(rat(DecimalOf(n, uint8(places))), 2)
		if !ok || got.Int() != want.Int64() {
			t.Fatalf("%s as a float = %v, want %v", text, got, want)
		}
	})
}

func TestAddIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := number().Draw(t, "a"), number().Draw(t, "b")
		got, ok := Add(a, b)
		want := new(big.Rat).Add(rat(a), rat(b))
		s := int(max(a.Scale(), b.Scale()))
		fits := round(rat(a), s).IsInt64() && round(rat(b), s).IsInt64() && round(want, s).IsInt64()
		if ok != fits || ok && (rat(got).Cmp(want) != 0 || int(got.Scale()) != s) {
			t.Fatalf("%s + %s = %v, %v; want %s", a.Key(), b.Key(), got, ok, want.FloatString(s))
		}
		if back, okBack := Add(b, a); okBack != ok || back.Key() != got.Key() {
			t.Fatalf("%s + %s is %v one way and %v the other", a.Key(), b.Key(), got, back)
		}
	})
	for _, v := range []Value{{}, StringOf("1"), BoolOf(true), TimestampOf(1)} {
		for _, n := range []Value{IntOf(1), DecimalOf(1, 2), FloatOf(1)} {
			if _, ok := Add(v, n); ok {
				t.Errorf("%s of kind %d was added to %s", v.Key(), v.Kind(), n.Key())
			}
		}
	}
	if got, ok := Add(FloatOf(0.5), DecimalOf(25, 2)); !ok || got != FloatOf(0.75) {
		t.Errorf("0.5 + 0.25 = %v, %v", got, ok)
	}
}

func TestDivRoundsHalfAwayFromZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := number().Draw(t, "a")
		n := rapid.OneOf(unscaled(), rapid.Int64Range(-9, 9)).Draw(t, "n")
		scale := rapid.IntRange(0, MaxScale).Draw(t, "scale")
		got, ok := Div(a, n, uint8(scale))
		if n == 0 {
			if ok {
				t.Fatalf("%s / 0 = %v", a.Key(), got)
			}
			return
		}
		s := max(int(a.Scale()), scale)
		want := round(new(big.Rat).Quo(rat(a), new(big.Rat).SetInt64(n)), s)
		fits := want.IsInt64() && want.Int64() != math.MinInt64
		if ok != fits || ok && (got.Int() != want.Int64() || int(got.Scale()) != s) {
			t.Fatalf("%s / %d to %d places = %v, %v; want %v", a.Key(), n, s, got, ok, want)
		}
	})
	if got, ok := Div(FloatOf(1), 4, 2); !ok || got != FloatOf(0.25) {
		t.Errorf("1.0 / 4 = %v, %v", got, ok)
	}
	if _, ok := Div(StringOf("1"), 4, 2); ok {
		t.Error("a text was divided")
	}
}

func TestCompareOrdersNumbersBySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := number().Draw(t, "a"), number().Draw(t, "b")
		if rapid.Bool().Draw(t, "near") { // numbers that are equal but look different
			b, _ = ParseDecimal(rat(a).FloatString(rapid.IntRange(int(a.Scale()), MaxScale).Draw(t, "more")))
			if b.IsNull() {
				t.Skip("does not fit with more places")
			}
		}
		got, ok := Compare(a, b)
		if want := rat(a).Cmp(rat(b)); !ok || got != want {
			t.Fatalf("%s against %s is %d, %v; want %d", a.Key(), b.Key(), got, ok, want)
		}
	})
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b Value
		want string
	}{
		{StringOf("a"), StringOf("b"), "-1"}, {StringOf("b"), StringOf("B"), "1"}, {StringOf(""), StringOf(""), "0"},
		{BoolOf(false), BoolOf(true), "-1"}, {TimestampOf(-5), TimestampOf(5), "-1"},
		{FloatOf(0.5), IntOf(1), "-1"}, {DecimalOf(50, 2), FloatOf(0.5), "0"},
		{IntOf(math.MaxInt64), DecimalOf(1, 18), "1"},
		{Value{}, Value{}, "none"}, {Value{}, IntOf(0), "none"}, {StringOf("1"), IntOf(1), "none"}, {FloatOf(1), StringOf("1"), "none"},
		{TimestampOf(1), IntOf(1), "none"}, {JSONOf("[]"), JSONOf("[]"), "none"}, {BoolOf(true), IntOf(1), "none"},
		{FloatOf(math.NaN()), FloatOf(1), "none"}, {FloatOf(math.NaN()), FloatOf(math.NaN()), "none"}, {IntOf(1), FloatOf(math.NaN()), "none"},
		{FloatOf(math.Inf(1)), IntOf(1), "1"},
	} {
		for _, swap := range []bool{false, true} {
			a, b, want := c.a, c.b, c.want
			if swap {
				a, b = b, a
				want = strings.NewReplacer("-1", "1", "1", "-1").Replace(want)
			}
			got := "none"
			if n, ok := Compare(a, b); ok {
				got = fmt.Sprint(n)
			}
			if got != want {
				t.Errorf("%q (kind %d) against %q (kind %d) is %s, want %s", a.Key(), a.Kind(), b.Key(), b.Kind(), got, want)
			}
		}
	}
}

// TestEqualNumbersHaveEqualKeys: state is filed by key, so 1.5 and 1.50 are one.
func TestEqualNumbersHaveEqualKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := number().Draw(t, "a")
		b, ok := Money(a, uint8(rapid.IntRange(0, MaxScale).Draw(t, "scale")))
		if !ok {
			t.Skip("does not fit")
		}
		if same := rat(a).Cmp(rat(b)) == 0; same != (a.Key() == b.Key()) {
			t.Fatalf("keys %s and %s; the numbers are equal: %v", a.Key(), b.Key(), same)
		}
	})
	for _, same := range [][]Value{
		{IntOf(1), DecimalOf(100, 2), FloatOf(1)},
		{IntOf(0), DecimalOf(0, 2), FloatOf(0), FloatOf(math.Copysign(0, -1))},
		{IntOf(1000000), FloatOf(1e6)},
		{DecimalOf(-150, 2), DecimalOf(-15, 1), FloatOf(-1.5)},
	} {
		for _, v := range same {
			if v.Key() != same[0].Key() {
				t.Errorf("%v has key %s, %v has %s", v, v.Key(), same[0], same[0].Key())
			}
		}
	}
}
