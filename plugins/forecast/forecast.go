// Package forecast forecasts a series of amounts, one for each hour or day, with
// intervals: models, the choice between them by a backtest, and what their errors there
// say about the errors to come.
//
// Time is the index in the history; a point that nothing was sold in is a zero. The same
// history gives the same forecast: there is no clock and no chance in it.
package forecast

import "slices"

// Config says what to forecast and how.
type Config struct {
	Shape
	// Models are those to choose from.
	Models []Model
	// Backtest says how they are tried.
	Backtest Backtest
}

// Point is a forecast of one value: 0 <= Lower95 <= Lower80 <= Mean <= Upper80 <= Upper95.
type Point struct {
	// Mean is the expected value, so that the points of a day add up to that of the day.
	Mean float64
	// The intervals hold the value with a probability of 80 and of 95 %.
	Lower80, Upper80, Lower95, Upper95 float64
}

// Trial is a model that was tried on a history.
type Trial struct {
	Model Model
	// Fitted has the parameters, by the history before the backtest.
	Fitted Fitted
	// Loss is the mean pinball loss over horizons and [Quantiles].
	Loss float64
}

// Least is the number of points that a forecast needs: two of the shortest seasons.
func (c Config) Least() int { return 2 * c.Periods[0] }

// Choose tries the models on a history and returns the trial with the least loss, and
// all of them. Where the history is too short for every one of them, seasonal naive
// stands in; it is too short for that one, too, and there is no trial, below Least.
func (c Config) Choose(history []float64) (best Trial, all []Trial) {
	n := len(history)
	if n < c.Least() {
		return Trial{}, nil
	}
	start := c.Backtest.start(n)
	fits := fits{history: history[:start], shape: c.Shape, known: map[string]Fitted{}}
	models := slices.DeleteFunc(slices.Clone(c.Models), func(m Model) bool { return m.Least(c.Periods) > start })
	if len(models) == 0 {
		models = []Model{naive{}}
	}
	for _, m := range models {
		f := fits.of(m)
		loss := c.Backtest.roll(history, f, c.Horizon, start).loss(history, start)
		all = append(all, Trial{m, f, loss})
		if best.Model == nil || loss < best.Loss {
			best = all[len(all)-1]
		}
	}
	return best, all
}

// Forecast forecasts the points behind a history, as many as the horizon, with a fitted
// model and the errors that it has in a backtest at the end of that history.
func (c Config) Forecast(history []float64, f Fitted) []Point {
	n := len(history)
	return c.Backtest.roll(history, f, c.Horizon, c.Backtest.start(n), n).points(n)
}
