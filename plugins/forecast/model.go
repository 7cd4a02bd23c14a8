package forecast

import "slices"

// Model is a way to forecast a series.
type Model interface {
	// Name is what configs and rows call it.
	Name() string
	// Least is the number of points that Fit needs, for the seasonal periods.
	Least(periods []int) int
	// Fit chooses parameters for series of this kind from a history of at least Least
	// points, for forecasts of up to horizon steps.
	Fit(history []float64, s Shape) Fitted
}

// Fitted is a model with its parameters. It keeps nothing of the history that they
// were chosen by, so it may forecast a longer one.
type Fitted interface {
	// Forecast returns, for each origin, the forecasts of history[origin] and the
	// points behind it, as many as the horizon. Origins ascend and lie between Least and
	// len(history). A forecast depends on history[:origin] only. All are finite and not
	// negative where the history is.
	Forecast(history []float64, origins []int) [][]float64
	// Plain says that the forecast is to stay as it is, with the errors of the backtest
	// added for its intervals: the textbook's way. Otherwise it is moved to the mean of
	// what forecasts like it came to.
	Plain() bool
}

// Shape is what a model has to know of a series.
type Shape struct {
	// Periods are the lengths of the seasons in steps, ascending, none twice: 24 and 168
	// for hours, 7 for days.
	Periods []int
	// Horizon is the number of steps to forecast, at least 1.
	Horizon int
}

// The names of the models.
const (
	SeasonalNaive = "seasonal_naive"
	HoltWinters   = "holt_winters"
	Harmonic      = "harmonic"
	Profile       = "profile"
	Combination   = "combination"
)

// Models returns all models. The first one is the yardstick for the others, and the one
// that needs the shortest history.
func Models() []Model {
	return []Model{naive{}, holtWinters{}, harmonic{}, profile{}, combination{}}
}

// ByName returns the model of that name.
func ByName(name string) (Model, bool) {
	all := Models()
	i := slices.IndexFunc(all, func(m Model) bool { return m.Name() == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// covered returns the periods that a history of n points holds at least twice.
func covered(periods []int, n int) []int {
	last := 0
	for last < len(periods) && 2*periods[last] <= n {
		last++
	}
	return periods[:last]
}
