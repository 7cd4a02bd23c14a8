package event

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// MaxScale is the largest number of decimal places: 10^18 still fits an int64.
const MaxScale = 18

var pow10 = func() (p [MaxScale + 1]int64) {
	p[0] = 1
	for i := 1; i <= MaxScale; i++ {
		p[i] = p[i-1] * 10
	}
	return
}()

// ParseDecimal reads a plain decimal number (no exponent) exactly. A number
// without a point is an integer. It fails where an int64 is too small.
func ParseDecimal(s string) (Value, bool) {
	digits, scale := s, 0
	if i := strings.IndexByte(s, '.'); i >= 0 {
		frac := s[i+1:]
		if frac == "" || frac[0] == '-' || frac[0] == '+' || len(frac) > MaxScale {
			return Value{}, false
		}
		digits, scale = s[:i]+frac, len(frac)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Value{}, false
	}
	if scale == 0 {
		return IntOf(n), true
	}
	return DecimalOf(n, uint8(scale)), true
}

// Money is a numeric value (or the text of one) rounded half away from zero to
// the given number of decimal places; false where v is no number or too large.
func Money(v Value, scale uint8) (Value, bool) {
	switch v.kind {
	case Int:
		n, ok := mul(v.num, pow10[scale])
		return DecimalOf(n, scale), ok
	case Decimal:
		n, ok := rescale(v.num, v.scale, scale)
		return DecimalOf(n, scale), ok
	case Float:
		// The shortest decimal that reads back as this float is what its author wrote:
		// 1.005 rounds as the text 1.005 does, not as the binary fraction below it.
		f, _ := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return Value{}, false
		}
		text := strconv.FormatFloat(f, 'f', -1, 64)
		if i := strings.IndexByte(text, '.'); i >= 0 && len(text)-i-1 > MaxScale {
			text = text[:i+1+MaxScale]
		}
		d, ok := ParseDecimal(text)
		if !ok {
			return Value{}, false
		}
		return Money(d, scale)
	case String:
		d, ok := ParseDecimal(v.str)
		if !ok {
			return Value{}, false
		}
		return Money(d, scale)
	}
	return Value{}, false
}

func rescale(n int64, from, to uint8) (int64, bool) {
	if from <= to {
		return mul(n, pow10[to-from])
	}
	p := pow10[from-to]
	q, r := n/p, n%p
	if r >= p-r {
		q++
	} else if -r >= p+r {
		q--
	}
	return q, true
}

func mul(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	c := a * b
	return c, c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
}

func formatDecimal(n int64, scale uint8) string {
	var b [24]byte // a sign, 19 digits, and a point with the zero before it
	return string(appendDecimal(b[:0], n, scale))
}

func appendDecimal(to []byte, n int64, scale uint8) []byte {
	if scale == 0 {
		return strconv.AppendInt(to, n, 10)
	}
	if n < 0 {
		to = append(to, '-')
	}
	u, p := abs(n), uint64(pow10[scale])
	to = append(strconv.AppendUint(to, u/p, 10), '.')
	frac := u % p
	for p /= 10; p > 1 && frac < p; p /= 10 { // the zeros that lead the fraction
		to = append(to, '0')
	}
	return strconv.AppendUint(to, frac, 10)
}

// AppendNumber appends the plain text of an integer or a decimal, digit by digit as
// Any gives it; nothing where v is of another kind.
func (v Value) AppendNumber(to []byte) []byte {
	if !exact(v) {
		return to
	}
	return appendDecimal(to, v.num, v.scale)
}

// Add is the exact sum of two numbers; a floating point operand makes the sum
// floating point. False where an operand is no number or the sum overflows.
func Add(a, b Value) (Value, bool) {
	if a.kind == Float || b.kind == Float {
		x, ok1 := a.Float()
		y, ok2 := b.Float()
		return FloatOf(x + y), ok1 && ok2
	}
	if !exact(a) || !exact(b) {
		return Value{}, false
	}
	if a.kind == Int && b.kind == Int {
		n, ok := add(a.num, b.num)
		return IntOf(n), ok
	}
	s := max(a.scale, b.scale)
	x, ok1 := rescale(a.num, a.scale, s)
	y, ok2 := rescale(b.num, b.scale, s)
	n, ok3 := add(x, y)
	return DecimalOf(n, s), ok1 && ok2 && ok3
}

func exact(v Value) bool { return v.kind == Int || v.kind == Decimal }

func add(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

// Div is the number a divided by n, rounded half away from zero to the given
// number of decimal places, or to those of a if it has more; a floating point
// number is divided as such.
// False where a is no number, n is 0 or the result overflows.
func Div(a Value, n int64, scale uint8) (Value, bool) {
	if n == 0 {
		return Value{}, false
	}
	if a.kind == Float {
		f, _ := a.Float()
		return FloatOf(f / float64(n)), true
	}
	if !exact(a) {
		return Value{}, false
	}
	s := max(a.scale, scale)
	hi, lo := bits.Mul64(abs(a.num), uint64(pow10[s-a.scale]))
	if hi >= abs(n) {
		return Value{}, false
	}
	q, r := bits.Div64(hi, lo, abs(n))
	if r >= abs(n)-r {
		q++
	}
	if q > math.MaxInt64 {
		return Value{}, false
	}
	out := int64(q)
	if (a.num < 0) != (n < 0) {
		out = -out
	}
	return DecimalOf(out, s), true
}

func abs(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// Compare orders two values: numbers by size whatever their kinds, strings by
// bytes, instants by time, booleans false before true. False where the two have no
// order: a number and a text, nulls, arrays and objects, and what is not a number.
func Compare(a, b Value) (int, bool) {
	switch {
	case exact(a) && exact(b):
		if a.scale == b.scale {
			return cmp(a.num, b.num), true
		}
		s := max(a.scale, b.scale)
		x, ok1 := rescale(a.num, a.scale, s)
		y, ok2 := rescale(b.num, b.scale, s)
		switch { // the one that does not fit is larger than any that does
		case !ok1:
			return cmp(a.num, 0), true
		case !ok2:
			return cmp(0, b.num), true
		}
		return cmp(x, y), true
	case a.kind == Float || b.kind == Float:
		x, ok1 := a.Float()
		y, ok2 := b.Float()
		return cmp(x, y), ok1 && ok2 && !math.IsNaN(x) && !math.IsNaN(y)
	case a.kind != b.kind:
		return 0, false
	case a.kind == String:
		return strings.Compare(a.str, b.str), true
	case a.kind == Timestamp || a.kind == Bool:
		return cmp(a.num, b.num), true
	}
	return 0, false
}

func cmp[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
