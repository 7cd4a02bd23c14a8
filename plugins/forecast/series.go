package forecast

import (
	"fmt"
	"slices"
	"time"
)

// Observation is what happened at a time.
type Observation struct {
	Time  time.Time
	Value float64
}

// largestAmount is that of an observation: sums of many are exact to the cent.
const largestAmount = 1e12

// smallestAmount is the least that counts as more than nothing: far below a cent, and far
// above the numbers that lose their digits.
const smallestAmount = 1e-6

// Check says what makes the observation none of a series: the amount has to be between 0
// and a million millions, and the time in the years from 1700 to 2200.
func (o Observation) Check() error {
	if !(o.Value >= 0 && o.Value <= largestAmount) {
		return fmt.Errorf("the amount %v is not between 0 and %.0e", o.Value, largestAmount)
	}
	if y := o.Time.UTC().Year(); y < 1700 || y >= 2200 {
		return fmt.Errorf("the year %d is not between 1700 and 2200", y)
	}
	return nil
}

// Series is a value for each step of time, from the step that begins at Start on.
type Series struct {
	Start  time.Time
	Step   time.Duration
	Values []float64
}

// NewSeries adds up observations by step, steps counted from the epoch. Steps without
// one are zeros. What is more than most steps before the newest observation is left out.
func NewSeries(step time.Duration, most int, observations []Observation) Series {
	if len(observations) == 0 {
		return Series{Step: step}
	}
	byTime := func(a, b Observation) int { return a.Time.Compare(b.Time) }
	first := floor(slices.MinFunc(observations, byTime).Time, step)
	last := floor(slices.MaxFunc(observations, byTime).Time, step)
	if earliest := last.Add(-time.Duration(most-1) * step); first.Before(earliest) {
		first = earliest
	}
	s := Series{Start: first, Step: step, Values: make([]float64, last.Sub(first)/step+1)}
	for _, o := range observations {
		if !o.Time.Before(first) {
			s.Values[o.Time.Sub(first)/step] += o.Value
		}
	}
	for i, v := range s.Values {
		if v < smallestAmount {
			s.Values[i] = 0
		}
	}
	return s
}

// floor is the begin of the step that t lies in.
func floor(t time.Time, step time.Duration) time.Time {
	return time.Unix(0, t.UnixNano()-positiveModulo(t.UnixNano(), int64(step))).UTC()
}

func positiveModulo(a, b int64) int64 { return (a%b + b) % b }

// At is the begin of the step of an index, which may lie behind the values.
func (s Series) At(i int) time.Time { return s.Start.Add(time.Duration(i) * s.Step) }

// End is the end of the last step.
func (s Series) End() time.Time { return s.At(len(s.Values)) }

// From leaves out the first n values.
func (s Series) From(n int) Series { return Series{Start: s.At(n), Step: s.Step, Values: s.Values[n:]} }

// number is the number of a step since the epoch.
func (s Series) number(i int) int { return int(s.At(i).UnixNano() / int64(s.Step)) }

// aligned leaves out what lies before the first begin of a period since the epoch, if
// there is enough behind: so the phase of an index stays the same while the begin of the
// history moves on with its end.
func (s Series) aligned(period int) Series {
	if len(s.Values) < 5*period {
		return s
	}
	return s.From(int(positiveModulo(-int64(s.number(0)), int64(period))))
}

// Origins spreads n origins evenly over the indexes from one time until another whose
// forecasts of a horizon end within the series. There are fewer where there is no room.
func (s Series) Origins(from, until time.Time, n, horizon int) []int {
	index := func(t time.Time) int {
		return int(min(max(0, t.Sub(s.Start)+s.Step-1), s.Step*time.Duration(len(s.Values))) / s.Step)
	}
	first, last := index(from), min(index(until), len(s.Values)-horizon+1)
	var all []int
	for i := range n {
		if o := first + i*(last-first)/n; o < last && (i == 0 || o > all[len(all)-1]) {
			all = append(all, o)
		}
	}
	return all
}
