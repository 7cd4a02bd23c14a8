package main

import (
	"math"
	"slices"
	"time"

	"github.com/tidemark-streams/tidemark/internal/generate/calendar"
)

func (t *tables) readOrders(dir string) error {
	var all []time.Time
	err := each(dir, "olist_orders_dataset.csv", []string{"order_purchase_timestamp"}, func(v []string) error {
		at, err := time.Parse(time.DateTime, v[0])
		all = append(all, at)
		return err
	})
	if err != nil {
		return err
	}
	t.orders, t.calendar = len(all), count(all)
	return nil
}

// Burst days have at least this many orders, and as many times those of the days around.
const (
	burstOrders = 50
	burstRatio  = 2
	burstAround = 14 // days before and days after
)

func count(all []time.Time) calendar.Counts {
	slices.SortFunc(all, time.Time.Compare)
	c := calendar.Counts{First: all[0].Truncate(24 * time.Hour), Bursts: map[int][24]int{}}
	for _, at := range all {
		c.Count(at)
	}
	hours := make([][24]int, len(c.Days))
	for _, at := range all {
		hours[int(at.Sub(c.First)/(24*time.Hour))][at.Hour()]++
	}
	for day, n := range c.Days {
		first, end := max(0, day-burstAround), min(day+burstAround+1, len(c.Days))
		others := -n
		for _, m := range c.Days[first:end] {
			others += m
		}
		if n >= burstOrders && n*(end-first-1) >= burstRatio*others {
			c.Bursts[day] = hours[day]
			c.Forget(day)
		}
	}
	c.Spread = spread(&c, hours)
	return c
}

// spread is the number of orders that, drawn from the hours of a weekday, makes the
// hours of the real days most likely: the concentration of the Dirichlet-multinomial
// distribution (T. Minka, Estimating a Dirichlet distribution, 2000), by a search over
// a grid. It is held against a weekday's orders of all months, as those of a few would
// stray by chance alone. A day is not held against its own orders, else it would look
// as if it kept to them; a share of an order in each hour makes hours possible that no
// other day had. Bursts do not count: they are drawn as they were.
func spread(c *calendar.Counts, hours [][24]int) int {
	const first, last, step, floor = 20, 1000, 10, .2
	var usual [7][24]float64
	for _, month := range c.Hours {
		for weekday, hours := range month {
			for hour, n := range hours {
				usual[weekday][hour] += float64(n) + floor/float64(len(c.Hours))
			}
		}
	}
	best, most := 0, math.Inf(-1)
	for k := first; k <= last; k += step {
		sum := 0.0
		for day, n := range c.Days {
			if _, burst := c.Bursts[day]; burst || n < 2 {
				continue
			}
			others := usual[c.Day(day).Weekday()]
			total := 0.0
			for hour, own := range hours[day] {
				others[hour] -= float64(own)
				total += others[hour]
			}
			sum += logGamma(float64(k)) - logGamma(float64(k+n))
			for hour, x := range hours[day] {
				share := float64(k) * others[hour] / total
				sum += logGamma(float64(x)+share) - logGamma(share)
			}
		}
		if sum > most {
			best, most = k, sum
		}
	}
	return best
}

func logGamma(x float64) float64 {
	v, _ := math.Lgamma(x) // of positive numbers the sign is positive
	return v
}
