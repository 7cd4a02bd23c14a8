package generate

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"sort"
)

// choice draws the values of a weighted table.
type choice[T any] struct {
	values []T
	upTo   []float64 // cumulated weights
}

func choose[T any](table []weighted[T]) choice[T] {
	c := choice[T]{}
	total := 0.0
	for _, w := range table {
		total += w.weight
		c.values, c.upTo = append(c.values, w.value), append(c.upTo, total)
	}
	return c
}

func (c choice[T]) draw(r *rand.Rand) T {
	u := r.Float64() * c.upTo[len(c.upTo)-1]
	i := sort.Search(len(c.upTo), func(i int) bool { return c.upTo[i] > u })
	return c.values[min(i, len(c.values)-1)]
}

// quantile is the value below which the share u of a measure lies. Between two
// known quantiles it grows geometrically, as the tails of prices and delays do, or
// linearly where the lower one is not positive. Without a table it is 0.
func quantile(ps []point, u float64) float64 {
	if len(ps) == 0 {
		return 0
	}
	i := sort.Search(len(ps), func(i int) bool { return ps[i].q >= u })
	if i == 0 {
		return ps[0].v
	}
	if i == len(ps) {
		return ps[len(ps)-1].v
	}
	low, high := ps[i-1], ps[i]
	f := (u - low.q) / (high.q - low.q)
	if low.v > 0 {
		return low.v * math.Pow(high.v/low.v, f)
	}
	return low.v + f*(high.v-low.v)
}

// id draws 32 hex digits.
func id(r *rand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	return hex.EncodeToString(b[:])
}

// pick draws one of many rows by a weight of theirs.
func pick[T any](rows []T, weight func(T) int) choice[T] {
	var table []weighted[T]
	for _, row := range rows {
		table = append(table, weighted[T]{row, float64(weight(row))})
	}
	return choose(table)
}

// popular draws a number below n; with an exponent above 1, low ones more often.
func popular(r *rand.Rand, n int, exponent float64) int {
	return min(int(float64(n)*math.Pow(r.Float64(), exponent)), n-1)
}

func cents(amount float64) int64 { return int64(math.Round(amount * 100)) }
