package sales

import (
	"fmt"
	"math/big"
)

// cents is money, or anything else with two decimals, in hundredths: sums are exact.
type cents int64

func (c cents) String() string {
	sign := ""
	// Unsigned, so that the smallest number has an absolute value.
	abs := uint64(c)
	if c < 0 {
		sign, abs = "-", -abs
	}
	return fmt.Sprintf("%s%d.%02d", sign, abs/100, abs%100)
}

// number is c for a series: the nearest float, which JSON writes with the same two decimals.
func (c cents) number() float64 { return float64(c) / 100 }

// percent is 100·part/whole with two decimals.
func percent(part, whole int64) string { return divide(part, 100*100, whole).String() }

// mean is sum/n with two decimals.
func mean(sum cents, n int64) string { return divide(int64(sum), 1, n).String() }

// divide is a·factor/b, rounded half away from zero as Postgres does, 0 where b is 0.
func divide(a, factor, b int64) cents {
	if b == 0 {
		return 0
	}
	x := new(big.Int).Mul(big.NewInt(a), big.NewInt(factor))
	y := big.NewInt(b)
	negative := x.Sign()*y.Sign() < 0
	x.Abs(x)
	y.Abs(y)
	// floor(x/y + 1/2) = floor((2x + y) / 2y)
	x.Lsh(x, 1).Add(x, y)
	x.Quo(x, y.Lsh(y, 1))
	if negative {
		x.Neg(x)
	}
	return cents(x.Int64())
}
