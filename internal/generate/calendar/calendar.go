package calendar

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// Calendar draws the hours of orders.
//
// Days weigh as many orders as were placed on them, as they are. So growth,
// holidays, bursts and the noise of days are the real ones. Smoothing the counts
// would take out noise that a forecast has to live with; as they are, they hold the
// noise of the sample that was counted on top of the one of the shop's days, and a
// day without an order in it stays empty. Both make a forecast of generated data
// look worse than it would be, not better.
//
// The hours of a day are Spread orders that are drawn, by the seed, from the real
// orders around it ([Counts.Pool]): they stray from those as the hours of real days
// stray from the usual ones, on top of what chance did to the few orders of the pool.
// A burst has the hours that it had.
type Calendar struct {
	first time.Time
	upTo  []float64     // cumulated weights of the days
	hours [][24]float64 // cumulated weights of each day's hours
}

// sequence sets the random sequences of the days apart from those of other users of a seed.
const sequence = 0x64617973 << 32

// New returns the calendar of a seed.
func New(c *Counts, seed uint64) *Calendar {
	k := &Calendar{first: c.First, upTo: make([]float64, len(c.Days)), hours: make([][24]float64, len(c.Days))}
	total := 0.0
	for day, n := range c.Days {
		total += float64(n)
		k.upTo[day] = total
		if burst, ok := c.Bursts[day]; ok {
			for hour, n := range burst {
				k.hours[day][hour] = float64(n)
			}
			k.hours[day] = cumulate(k.hours[day])
			continue
		}
		pool := cumulate(c.Pool(day))
		r := rand.New(rand.NewPCG(seed, sequence+uint64(day)))
		for range c.Spread {
			k.hours[day][draw(pool[:], r)]++
		}
		k.hours[day] = cumulate(k.hours[day])
	}
	return k
}

// Draw returns the hour in which an order is placed.
func (k *Calendar) Draw(r *rand.Rand) time.Time {
	day := draw(k.upTo, r)
	return k.at(day, draw(k.hours[day][:], r))
}

// Busiest returns the n hours that get the most orders, or as many as get any, the
// busiest first.
func (k *Calendar) Busiest(n int) []time.Time {
	type hour struct {
		at     time.Time
		weight float64
	}
	var all []hour
	before := 0.0
	for day, upTo := range k.upTo {
		earlier := 0.0
		for h, cumulated := range k.hours[day] {
			if w := (upTo - before) * (cumulated - earlier) / k.hours[day][23]; w > 0 {
				all = append(all, hour{k.at(day, h), w})
			}
			earlier = cumulated
		}
		before = upTo
	}
	slices.SortStableFunc(all, func(a, b hour) int { return cmp.Compare(b.weight, a.weight) })
	times := make([]time.Time, min(n, len(all)))
	for i := range times {
		times[i] = all[i].at
	}
	return times
}

func (k *Calendar) at(day, hour int) time.Time {
	return k.first.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
}

func cumulate(weights [24]float64) [24]float64 {
	for hour := 1; hour < len(weights); hour++ {
		weights[hour] += weights[hour-1]
	}
	return weights
}

// draw returns the place of a weight that was drawn from cumulated ones.
func draw(upTo []float64, r *rand.Rand) int {
	u := r.Float64() * upTo[len(upTo)-1]
	return sort.Search(len(upTo), func(i int) bool { return upTo[i] > u })
}
