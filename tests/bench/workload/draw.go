package workload

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
)

// draws are the random choices of one workload.
type draws struct {
	*rand.Rand
	products, sellers []string
}

func newDraws(seed uint64) *draws {
	const products, sellers = 30_000, 3_000
	d := &draws{Rand: rand.New(rand.NewPCG(seed, 42))}
	for range products {
		d.products = append(d.products, d.id())
	}
	for range sellers {
		d.sellers = append(d.sellers, d.id())
	}
	return d
}

// id is a new identifier of 32 hexadecimal digits.
func (d *draws) id() string {
	var raw [16]byte
	for i := 0; i < len(raw); i += 8 {
		v := d.Uint64()
		for k := range 8 {
			raw[i+k] = byte(v >> (8 * k))
		}
	}
	return hex.EncodeToString(raw[:])
}

// pick is an index drawn with the given probabilities; what they lack of 1 goes to the last.
func (d *draws) pick(probabilities ...float64) int {
	x := d.Float64()
	for i, p := range probabilities {
		if x -= p; x < 0 {
			return i
		}
	}
	return len(probabilities) - 1
}

func oneOf(d *draws, list []string) string { return list[d.IntN(len(list))] }

// price and freight are in cents.
func (d *draws) price() int64   { return cents(5 + math.Exp(4.2+0.9*d.NormFloat64())) }
func (d *draws) freight() int64 { return cents(8 + 15*d.ExpFloat64()) }

func cents(amount float64) int64 { return int64(math.Round(100 * amount)) }

// delay is how long after its order a payment comes, in milliseconds, at most five
// days: half come within 20 minutes, some take days; or, where they are late, evenly.
func (d *draws) delay(late bool) int64 {
	const most = 5*Day - maxSpread
	if late {
		return d.Int64N(most)
	}
	median := float64(20 * Minute)
	return min(int64(median*math.Exp(3.653*d.NormFloat64())), most)
}

// maxSpread is how far apart the payments of one order may lie.
const maxSpread = Minute / 2
