package forecast

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"sync"
	"time"
)

// Forecaster forecasts series, and remembers which model it chose for them. It may be
// used by several goroutines.
type Forecaster struct {
	Config
	step     time.Duration
	most     int // steps of history that count
	reselect int // steps that a choice holds

	mu      sync.Mutex
	choices map[uint64]Trial // by the history that they were made by
}

// mostChoices bounds the memory for choices: that many series, or ages of one, and then
// they are made anew.
const mostChoices = 64

// Result is a forecast.
type Result struct {
	// MadeAt is the end of the history, and the begin of the first step that is forecast.
	MadeAt time.Time
	Step   time.Duration
	Points []Point
	Model  string
}

// Series adds up observations as the forecaster wants them.
func (f *Forecaster) Series(observations []Observation) Series {
	return NewSeries(f.step, f.most, observations).aligned(f.Periods[len(f.Periods)-1])
}

// Forecast forecasts what comes behind a series. False says that it is too short for any
// model. The same series has the same forecast, whatever was forecast before: a choice of
// model depends on the history up to the last multiple of the time that it holds.
func (f *Forecaster) Forecast(s Series) (Result, bool) {
	n := len(s.Values)
	if n < f.Least() {
		return Result{}, false
	}
	chosenAt := n - s.number(n)%f.reselect
	// While the history is young, a choice made by less than half of it is worth little.
	if chosenAt < max(f.Least(), (n+1)/2) {
		chosenAt = n
	}
	choice := f.choice(s.Values[:chosenAt])
	return Result{
		MadeAt: s.End(), Step: s.Step, Model: choice.Model.Name(),
		Points: f.Config.Forecast(s.Values, choice.Fitted),
	}, true
}

func (f *Forecaster) choice(history []float64) Trial {
	key := hash(history)
	f.mu.Lock()
	known, ok := f.choices[key]
	f.mu.Unlock()
	if ok {
		return known
	}
	best, _ := f.Choose(history)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.choices) >= mostChoices {
		clear(f.choices)
	}
	f.choices[key] = best
	return best
}

func hash(values []float64) uint64 {
	h := fnv.New64a()
	var b [8]byte
	for _, v := range values {
		binary.LittleEndian.PutUint64(b[:], math.Float64bits(v))
		h.Write(b[:])
	}
	return h.Sum64()
}

// Evaluate evaluates the models on a series from the given origins; see [Config.Evaluate].
func (f *Forecaster) Evaluate(s Series, origins []int) []Evaluation {
	return f.Config.Evaluate(s.Values, origins, f.reselect)
}
