package forecast

import (
	"slices"
	"testing"
	"time"
)

var start = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)

func at(hours float64, value float64) Observation {
	return Observation{start.Add(time.Duration(hours * float64(time.Hour))), value}
}

func TestSeriesFillsGapsAndAddsUp(t *testing.T) {
	s := NewSeries(time.Hour, 100, []Observation{at(5.5, 2), at(2, 1), at(5.9, 4), at(3.99, 8)})
	if want := []float64{1, 8, 0, 6}; !slices.Equal(s.Values, want) || !s.Start.Equal(start.Add(2*time.Hour)) {
		t.Errorf("%+v", s)
	}
	if !s.End().Equal(start.Add(6 * time.Hour)) {
		t.Errorf("ends %v", s.End())
	}
	if s = NewSeries(time.Hour, 2, []Observation{at(-1e5, 1), at(4, 3)}); !slices.Equal(s.Values, []float64{0, 3}) {
		t.Errorf("more than there may be: %+v", s)
	}
	if s = NewSeries(day, 100, []Observation{at(-.5, 1), at(23, 2), at(30, 3)}); !slices.Equal(s.Values, []float64{1, 2, 3}) {
		t.Errorf("days: %+v", s)
	}
	if s = NewSeries(time.Hour, 100, nil); len(s.Values) != 0 {
		t.Errorf("nothing: %+v", s)
	}
	// Before 1970 steps are cut downwards, too.
	if got := floor(time.Unix(-1, 0), time.Hour); !got.Equal(time.Unix(-3600, 0)) {
		t.Errorf("floor %v", got)
	}
}

// While the begin of a history moves on, a time keeps its phase.
func TestAlignedSeriesKeepTheirPhase(t *testing.T) {
	for n := range 30 {
		s := Series{Start: start.Add(time.Duration(n) * time.Hour), Step: time.Hour, Values: make([]float64, 40)}
		got := s.aligned(7)
		if got.number(0)%7 != 0 || len(got.Values) <= 33 || !got.End().Equal(s.End()) {
			t.Errorf("%d: begins %v, %d values", n, got.Start, len(got.Values))
		}
	}
	short := Series{Start: start.Add(time.Hour), Step: time.Hour, Values: make([]float64, 34)}
	if got := short.aligned(7); len(got.Values) != 34 {
		t.Errorf("a short one is cut to %d", len(got.Values))
	}
}

func TestOrigins(t *testing.T) {
	s := Series{Start: start, Step: time.Hour, Values: make([]float64, 20)}
	if got := s.Origins(start.Add(10*time.Hour), s.End(), 5, 3); !slices.Equal(got, []int{10, 11, 13, 14, 16}) {
		t.Errorf("%v", got)
	}
	if got := s.Origins(start, start.Add(100*time.Hour), 50, 3); len(got) != 18 || got[17] != 17 {
		t.Errorf("%v", got)
	}
	if got := s.Origins(s.End(), s.End(), 5, 3); len(got) != 0 {
		t.Errorf("no room: %v", got)
	}
}
