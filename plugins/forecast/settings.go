package forecast

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const day = 24 * time.Hour

// Settings describe a forecast in units of time.
type Settings struct {
	// Step is the length of the interval that a point stands for; 24 hours at most.
	Step time.Duration
	// Horizon is the number of steps to forecast, at least 1.
	Horizon int
	// Seasons are the lengths of the seasons. Those that are no longer than the step are
	// left out: days have no season of a day.
	Seasons []time.Duration
	// Models are the names of the models to choose from.
	Models []string
	// Period and Stride are those of the [Backtest]; a stride below a step is one.
	Period, Stride time.Duration
	// Scored is the number of origins whose forecasts are scored.
	Scored int
	// ReselectEvery is how long a choice of model holds, in data time.
	ReselectEvery time.Duration
	// MaxHistory is how much of the history counts.
	MaxHistory time.Duration
}

// DefaultSettings are for hours: a day ahead, the seasons of a day and a week.
func DefaultSettings() Settings {
	s := Settings{
		Step: time.Hour, Horizon: 24, Seasons: []time.Duration{day, 7 * day},
		Period: 120 * day, Stride: 7 * time.Hour, Scored: 60, ReselectEvery: 28 * day, MaxHistory: 730 * day,
	}
	for _, m := range Models() {
		s.Models = append(s.Models, m.Name())
	}
	return s
}

// New returns a forecaster of series with these settings. An error names the field of a
// config that it is about.
func (s Settings) New() (*Forecaster, error) {
	f := &Forecaster{step: s.Step, choices: map[uint64]Trial{}}
	if s.Step <= 0 || s.Step > day || day%s.Step != 0 {
		return nil, fmt.Errorf("step: %v does not divide a day", s.Step)
	}
	if s.Horizon < 1 {
		return nil, errors.New("horizon: must be at least 1")
	}
	f.Horizon = s.Horizon
	for i, season := range s.Seasons {
		switch {
		case season%s.Step != 0:
			return nil, fmt.Errorf("seasons.%d: %v is no multiple of the step of %v", i, season, s.Step)
		case season > s.Step:
			f.Periods = append(f.Periods, int(season/s.Step))
		}
	}
	slices.Sort(f.Periods)
	f.Periods = slices.Compact(f.Periods)
	if len(f.Periods) == 0 {
		return nil, errors.New("seasons: none is longer than the step")
	}
	for i, name := range s.Models {
		m, ok := ByName(name)
		if !ok {
			return nil, fmt.Errorf("models.%d: there is no model %q", i, name)
		}
		f.Models = append(f.Models, m)
	}
	if len(f.Models) == 0 {
		return nil, errors.New("models: needs at least one")
	}
	if s.Scored < 1 {
		return nil, errors.New("backtest.scored: must be at least 1")
	}
	f.Backtest = Backtest{Period: int(s.Period / s.Step), Stride: max(1, int(s.Stride/s.Step)), Scored: s.Scored}
	if f.Backtest.Period < f.Periods[0] {
		return nil, fmt.Errorf("backtest.period: must be at least a season, %v", time.Duration(f.Periods[0])*s.Step)
	}
	f.reselect = max(1, int(s.ReselectEvery/s.Step))
	f.most = int(s.MaxHistory / s.Step)
	if f.most < f.Least() {
		return nil, fmt.Errorf("max_history: must be at least %v", time.Duration(f.Least())*s.Step)
	}
	return f, nil
}
