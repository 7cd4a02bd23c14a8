package forecast

import (
	"math"

	"gonum.org/v1/gonum/optimize"
)

// holtWinters is exponential smoothing with a damped trend and one additive season for
// each period, and a correction for the correlation of successive errors: Taylor,
// "Short-term electricity demand forecasting using double seasonal exponential
// smoothing", Journal of the Operational Research Society 54 (2003); the damping is of
// Gardner and McKenzie, "Forecasting trends in time series", Management Science 31
// (1985). It works on square roots, which make the noise of sums of many sales about
// equal at all levels. Parameters minimise the squares of one-step errors.
type holtWinters struct{}

// smoothing are the parameters of Holt-Winters, each between 0 and 1.
type smoothing struct {
	alpha, beta float64   // of level and trend
	phi         float64   // damps the trend
	lambda      float64   // correlation of successive errors
	gammas      []float64 // of the season of each period
}

// fitPoints is the most points at the end of a history that parameters are chosen by:
// half a year of hours.
const fitPoints = 26 * 168

func (holtWinters) Name() string { return HoltWinters }

func (holtWinters) Least(periods []int) int { return 2 * periods[0] }

func (holtWinters) Fit(history []float64, s Shape) Fitted {
	history = history[max(0, len(history)-fitPoints):]
	roots := squareRoots(history)
	periods := covered(s.Periods, len(history))
	// The logit keeps the search within (0, 1). What is small by nature starts small.
	start := []float64{logit(.05), logit(.01), logit(.9), logit(.1)}
	for range periods {
		start = append(start, logit(.05))
	}
	loss := func(x []float64) float64 {
		w := newWinters(roots, periods, smoothingOf(x))
		var sum float64
		for _, y := range roots[w.time:] {
			e := w.observe(y)
			sum += e * e
		}
		if math.IsNaN(sum) {
			return math.Inf(1)
		}
		return sum
	}
	best := start
	found, err := optimize.Minimize(optimize.Problem{Func: loss}, start,
		&optimize.Settings{FuncEvaluations: 250, Converger: &optimize.FunctionConverge{Relative: 1e-5, Iterations: 40}},
		&optimize.NelderMead{})
	// A search that was cut short has an error and still the best point so far.
	if found != nil && (err == nil || found.F <= loss(start)) {
		best = found.X
	}
	return fittedWinters{shape: s, smoothing: smoothingOf(best)}
}

func smoothingOf(x []float64) smoothing {
	s := smoothing{alpha: logistic(x[0]), beta: logistic(x[1]), phi: logistic(x[2]), lambda: logistic(x[3])}
	for _, v := range x[4:] {
		s.gammas = append(s.gammas, logistic(v))
	}
	return s
}

type fittedWinters struct {
	shape     Shape
	smoothing smoothing
}

func (fittedWinters) Plain() bool { return false }

func (f fittedWinters) Forecast(history []float64, origins []int) [][]float64 {
	if len(origins) == 0 {
		return nil
	}
	// The first origin decides by what the states begin: nothing behind it may.
	roots := squareRoots(history)
	w := newWinters(roots[:origins[0]], covered(f.shape.Periods[:len(f.smoothing.gammas)], origins[0]), f.smoothing)
	out := make([][]float64, len(origins))
	for i, origin := range origins {
		for w.time < origin {
			w.observe(roots[w.time])
		}
		out[i] = make([]float64, f.shape.Horizon)
		for h := range out[i] {
			root := max(0, w.ahead(h+1))
			out[i][h] = root * root
		}
	}
	return out
}

// winters is the state of the smoothing after time points.
type winters struct {
	smoothing
	time         int
	level, trend float64
	err          float64 // of the last one-step forecast
	periods      []int
	seasons      [][]float64 // by period and phase
}

// newWinters is the state after the first two of the longest periods: the level is
// their mean, each season what the ones before it leave of the mean of its phase.
func newWinters(series []float64, periods []int, s smoothing) *winters {
	w := &winters{smoothing: s, periods: periods}
	n := len(series)
	if len(periods) > 0 {
		n = min(n, 2*periods[len(periods)-1])
	}
	for _, y := range series[:n] {
		w.level += y / float64(n)
	}
	for _, p := range periods {
		season := make([]float64, p)
		for t := 0; t < n/p*p; t++ {
			season[t%p] += (series[t] - w.level - w.season(t)) / float64(n/p)
		}
		w.seasons = append(w.seasons, season)
	}
	w.time = n
	return w
}

func (w *winters) season(t int) (sum float64) {
	for i, s := range w.seasons {
		sum += s[t%w.periods[i]]
	}
	return sum
}

// ahead forecasts h points ahead, h >= 1.
func (w *winters) ahead(h int) float64 {
	damped := w.phi * (1 - math.Pow(w.phi, float64(h))) / (1 - w.phi) // phi + phi² + … up to h
	return w.level + damped*w.trend + w.season(w.time+h-1) + math.Pow(w.lambda, float64(h))*w.err
}

// observe takes the next point and returns the error of its forecast.
//
// It is Taylor's recursion written by the error e that is left without the correction
// for correlation: his season, δ(y - level - other) + (1-δ)season with the new level,
// comes to season + δ(1-α)e. Each season has its gamma for δ.
func (w *winters) observe(y float64) float64 {
	before := w.level + w.phi*w.trend
	e := y - before - w.season(w.time)
	corrected := e - w.lambda*w.err
	level := before + w.alpha*e
	w.trend = w.beta*(level-w.level) + (1-w.beta)*w.phi*w.trend
	w.level = level
	for i, p := range w.periods {
		w.seasons[i][w.time%p] += w.gammas[i] * (1 - w.alpha) * e
	}
	w.err = e
	w.time++
	return corrected
}

func squareRoots(series []float64) []float64 {
	roots := make([]float64, len(series))
	for i, y := range series {
		roots[i] = math.Sqrt(y)
	}
	return roots
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
