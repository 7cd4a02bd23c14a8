package forecast

import (
	"math"
)

// Quantiles are the levels by whose pinball loss models are chosen: the ends of the
// intervals of 95 % and 80 %, and the median.
var Quantiles = []float64{.025, .1, .5, .9, .975}

// Pinball is the loss of a forecast of the quantile at level, within (0, 1): the
// distance to the actual value, weighted by level where that lies above and by 1 - level
// where it lies below (Koenker and Bassett, "Regression quantiles", Econometrica 46,
// 1978). Its unit is that of the values.
func Pinball(actual, quantile, level float64) float64 {
	if actual >= quantile {
		return level * (actual - quantile)
	}
	return (1 - level) * (quantile - actual)
}

// MASE is the mean absolute scaled error: the mean absolute error of forecasts over the
// one that the naive forecast of a season ago has on the history (Hyndman and Koehler,
// "Another look at measures of forecast accuracy", International Journal of Forecasting
// 22, 2006). It is NaN where there is no forecast, and where the naive forecast has no
// error or the history no second season.
func MASE(history []float64, period int, forecasts, actuals []float64) float64 {
	var naive float64
	for t := period; t < len(history); t++ {
		naive += math.Abs(history[t] - history[t-period])
	}
	naive /= float64(len(history) - period)
	var sum float64
	for i, f := range forecasts {
		sum += math.Abs(actuals[i] - f)
	}
	if len(history) <= period || naive == 0 || len(forecasts) == 0 {
		return math.NaN()
	}
	return sum / float64(len(forecasts)) / naive
}

// Coverage is the share of actual values within their intervals, bounds included; NaN
// where there is none.
func Coverage(lower, upper, actuals []float64) float64 {
	if len(actuals) == 0 {
		return math.NaN()
	}
	in := 0
	for i, y := range actuals {
		if lower[i] <= y && y <= upper[i] {
			in++
		}
	}
	return float64(in) / float64(len(actuals))
}
