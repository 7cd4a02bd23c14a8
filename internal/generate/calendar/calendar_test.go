package calendar

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// counts are two months: 60 days with one order at 10:00, one at 20:00 every Sunday, and a
// burst on day 30.
func counts() *Counts {
	c := &Counts{First: time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), Spread: 50}
	for day := range 60 {
		date := c.Day(day)
		c.Count(date.Add(10 * time.Hour))
		if date.Weekday() == time.Sunday {
			c.Count(date.Add(20*time.Hour + 59*time.Minute))
		}
	}
	for range 40 {
		c.Count(c.Day(30).Add(3 * time.Hour))
	}
	c.Bursts = map[int][24]int{30: {3: 40, 10: 1}}
	c.Forget(30)
	return c
}

func TestCount(t *testing.T) {
	c := counts()
	if len(c.Days) != 60 || len(c.Hours) != 3 || c.Days[0] != 2 || c.Days[1] != 1 || c.Days[30] != 41 {
		t.Errorf("%d days, %d months, days %v", len(c.Days), len(c.Hours), c.Days)
	}
	if got := c.Hours[1][time.Sunday]; got[10] != 4 || got[20] != 4 {
		t.Errorf("Sundays of February: %v", got)
	}
}

func TestPool(t *testing.T) {
	c := counts()
	// Few orders: all months are taken.
	if got := c.Pool(0); got[10] != 9 || got[20] != 9 || got[3] != 0 {
		t.Errorf("pool of a Sunday: %v", got)
	}
	// Many: the months next to it only.
	c = &Counts{First: c.First, Hours: make([][7][24]int, 12)}
	for month := range c.Hours {
		c.Hours[month][time.Sunday][month] = minPool
	}
	july := int(time.Date(2017, 7, 2, 0, 0, 0, 0, time.UTC).Sub(c.First) / (24 * time.Hour))
	want := [24]float64{5: minPool, 6: minPool, 7: minPool}
	if got := c.Pool(july); got != want {
		t.Errorf("pool of a Sunday in July: %v", got)
	}
}

func TestDraw(t *testing.T) {
	c := counts()
	k, r := New(c, 1), rand.New(rand.NewPCG(1, 1))
	const n = 100_000
	days, hours := map[string]float64{}, map[int]float64{}
	for range n {
		at := k.Draw(r)
		days[at.Format(time.DateOnly)]++
		if at.Weekday() == time.Sunday {
			hours[at.Hour()]++
		}
	}
	total := 0
	for _, d := range c.Days {
		total += d
	}
	for day, orders := range c.Days {
		want := n * float64(orders) / float64(total)
		if got := days[c.Day(day).Format(time.DateOnly)]; math.Abs(got-want) > 5*math.Sqrt(want) {
			t.Errorf("day %d: %v, want %.0f", day, got, want)
		}
	}
	if share := hours[20] / (hours[10] + hours[20]); math.Abs(share-.5) > .1 {
		t.Errorf("%.2f of Sunday's orders in the evening, want about half", share)
	}
	if len(hours) != 2 {
		t.Errorf("hours of Sundays: %v, want two", hours)
	}
}

func TestBusiest(t *testing.T) {
	k := New(counts(), 1)
	if got := k.Busiest(2); len(got) != 2 || got[0] != time.Date(2017, 1, 31, 3, 0, 0, 0, time.UTC) {
		t.Errorf("busiest hours: %v, want the burst first", got)
	}
	// 60 days with one hour, 9 Sundays with two, and the burst's own hour.
	if got := k.Busiest(1000); len(got) != 60+9+1 {
		t.Errorf("%d hours have orders, want 70", len(got))
	}
}

func TestSameSeedSameHours(t *testing.T) {
	a, b, other := New(counts(), 1), New(counts(), 1), New(counts(), 2)
	if a.hours[0] != b.hours[0] || a.hours[0] == other.hours[0] {
		t.Error("the hours of a day do not follow from the seed alone")
	}
}

// A shop that goes on has the days of four weeks before, on the same weekdays.
func TestFollowing(t *testing.T) {
	c := counts()
	more := c.Following(30)
	if len(more.Days) != 90 || more.Total() != c.Days[32]+c.Days[33]+sum(c.Days[32:60]) {
		t.Errorf("%d days, %d orders: %v", len(more.Days), more.Total(), more.Days)
	}
	k, r := New(more, 1), rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		if at := k.Draw(r); at.Before(c.Day(60)) || !at.Before(c.Day(90)) || at.Weekday() != time.Sunday && at.Hour() != 10 {
			t.Fatal(at)
		}
	}
	if c.Total() != sum(c.Days) || len(c.Days) != 60 {
		t.Error("it changed the counts")
	}
}

func sum(days []int) (n int) {
	for _, d := range days {
		n += d
	}
	return n
}
