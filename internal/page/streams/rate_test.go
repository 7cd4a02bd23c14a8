package streams

import (
	"testing"
	"time"
)

// counted is a rate that has seen counts at so many seconds, by turns.
func counted(start time.Time, all ...int64) *rate {
	r := &rate{}
	for i := 0; i < len(all); i += 2 {
		r.see(count{start.Add(time.Duration(all[i]) * time.Second), all[i+1]})
	}
	return r
}

func TestRate(t *testing.T) {
	start := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		counts []int64 // seconds, events
		now    float64 // seconds
		want   float64
	}{
		"nothing seen":                  {nil, 5, 0},
		"one count":                     {[]int64{0, 500}, 5, 0},
		"one count, again and again":    {[]int64{0, 500, 0, 500, 0, 500}, 5, 0},
		"steady":                        {[]int64{0, 0, 1, 100, 2, 200, 3, 300}, 3.9, 100},
		"steady for long":               {[]int64{0, 0, 5, 500, 10, 1000, 11, 1100, 12, 1200, 20, 2000}, 20.5, 100},
		"older speed is forgotten":      {[]int64{0, 0, 10, 100000, 20, 100100}, 20.5, 10},
		"stands still, and fades":       {[]int64{0, 0, 1, 100}, 5, 20},
		"stands still for long":         {[]int64{0, 0, 1, 100}, 11.5, 0},
		"stood still for long":          {[]int64{0, 100, 100, 200}, 100, 10},
		"begins anew":                   {[]int64{0, 1000, 1, 2000, 2, 10}, 2.5, 0},
		"has begun anew":                {[]int64{0, 1000, 1, 2000, 2, 10, 3, 30}, 3.5, 20},
		"an older count comes later":    {[]int64{0, 0, 2, 200, 1, 100}, 2.5, 100},
		"the clock of Postgres is late": {[]int64{0, 0, 2, 200}, 1, 100},
	} {
		r := counted(start, c.counts...)
		if got := r.perSecond(start.Add(time.Duration(c.now * float64(time.Second)))); got != c.want {
			t.Errorf("%s: %v events a second, want %v", name, got, c.want)
		}
	}
}

// A rate keeps what the window needs, however long it runs.
func TestRateForgets(t *testing.T) {
	r, start := &rate{}, time.Unix(0, 0)
	for i := range 100_000 {
		at := start.Add(time.Duration(i) * time.Second)
		r.see(count{at, int64(7 * i)})
		if x := r.perSecond(at); i > 0 && x != 7 {
			t.Fatalf("%v after %d s", x, i)
		}
	}
	if n := len(r.counts); n > 12 {
		t.Errorf("%d counts are kept", n)
	}
}
