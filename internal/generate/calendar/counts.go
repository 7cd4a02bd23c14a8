// Package calendar says when generated orders are placed. It knows no model of
// demand: no trend, no season and no share of an hour that is not a count of real
// orders, so generated data is not easier to forecast than the data it stands for.
package calendar

import "time"

// Counts are numbers of real orders by the time of their purchase.
type Counts struct {
	First  time.Time       // 00:00 of the first day
	Days   []int           // orders of each day from First on
	Hours  [][7][24]int    // of each month from First's on, by weekday (Sunday first) and hour, without the bursts
	Bursts map[int][24]int // by hour, of days, as numbers in Days, that stand out of their weeks
	// Spread is how far the hours of one day stray from the usual ones of its weekday:
	// as far as if that many orders had been drawn from those with replacement.
	Spread int
}

// minPool is the number of orders that a Pool has to hold: some for each hour.
const minPool = 100

// Day is the date of a day in Days.
func (c *Counts) Day(day int) time.Time { return c.First.AddDate(0, 0, day) }

// Until returns the counts without the days from a date on.
func (c *Counts) Until(end time.Time) *Counts {
	less := *c
	for len(less.Days) > 0 && !less.Day(len(less.Days)-1).Before(end) {
		less.Days = less.Days[:len(less.Days)-1]
	}
	return &less
}

// cycle is after how many days the counts of Following come again: four weeks, so that
// each has its weekday.
const cycle = 28

// Following returns the counts of as many days behind the last one, and none for those
// before. Each day has the orders of the one four weeks before it.
func (c *Counts) Following(days int) *Counts {
	more := *c
	more.Days = make([]int, len(c.Days), len(c.Days)+days)
	last := c.Days[max(0, len(c.Days)-cycle):]
	for i := range days {
		more.Days = append(more.Days, last[i%len(last)])
	}
	return &more
}

// Total is the number of orders of all days.
func (c *Counts) Total() (n int) {
	for _, day := range c.Days {
		n += day
	}
	return n
}

// Pool returns the orders by hour that were placed around a day on its weekday: in
// its month, the one before and the one after, and in the months around those while
// that makes few.
func (c *Counts) Pool(day int) [24]float64 {
	date := c.Day(day)
	month := c.month(date)
	for around := 1; ; around++ {
		var pool [24]float64
		total := 0
		for m := max(0, month-around); m <= min(month+around, len(c.Hours)-1); m++ {
			for hour, n := range c.Hours[m][date.Weekday()] {
				pool[hour] += float64(n)
				total += n
			}
		}
		if total >= minPool || around >= len(c.Hours) {
			return pool
		}
	}
}

// month is the number of a date's month in Hours.
func (c *Counts) month(date time.Time) int {
	return 12*(date.Year()-c.First.Year()) + int(date.Month()) - int(c.First.Month())
}

// Count adds an order that was placed at a time, which must not lie before First.
func (c *Counts) Count(at time.Time) {
	day := int(at.Sub(c.First) / (24 * time.Hour))
	for len(c.Days) <= day {
		c.Days = append(c.Days, 0)
	}
	c.Days[day]++
	month := c.month(at)
	for len(c.Hours) <= month {
		c.Hours = append(c.Hours, [7][24]int{})
	}
	c.Hours[month][at.Weekday()][at.Hour()]++
}

// Forget takes the hours of a burst out of those of its month.
func (c *Counts) Forget(day int) {
	date := c.Day(day)
	for hour, n := range c.Bursts[day] {
		c.Hours[c.month(date)][date.Weekday()][hour] -= n
	}
}
