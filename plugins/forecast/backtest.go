package forecast

import "slices"

// Backtest says how models are tried on a history: forecasts are made from origins in
// its last part, from what was known then (rolling origin: Tashman, "Out-of-sample tests
// of forecasting accuracy", International Journal of Forecasting 16, 2000).
type Backtest struct {
	// Period is the number of steps at the end of the history, at most half of it.
	// Parameters are chosen by what lies before, so that errors are those of new data.
	Period int
	// Stride is the number of steps from one origin to the next. One that has no factor
	// in common with the seasons meets every phase.
	Stride int
	// Scored is the number of origins, spread over the last two thirds of the period,
	// whose forecasts are scored, to choose the model.
	Scored int
}

// start is the first step of the backtest of a history of n points.
func (b Backtest) start(n int) int { return max(n-b.Period, (n+1)/2) }

// origins lists the origins from start on, before end. They are multiples of the stride,
// so that the backtests of two histories with the same begin share them.
func (b Backtest) origins(start, end int) []int {
	var all []int
	for o := (start + b.Stride - 1) / b.Stride * b.Stride; o < end; o += b.Stride {
		all = append(all, o)
	}
	return all
}

// outcome is what a forecast of a backtest came to.
type outcome struct {
	target   int // the point that was forecast
	ahead    int // how many steps, from 0
	forecast float64
	actual   float64
}

// rolling is a fitted model's forecasts of one history from many origins.
type rolling struct {
	backtest Backtest
	plain    bool
	horizon  int
	paths    map[int][]float64 // by origin
	sorted   []outcome         // of the backtest's origins, by forecast
}

// roll forecasts from the origins of the backtest since start, and from further ones,
// not before start.
func (b Backtest) roll(history []float64, f Fitted, horizon, start int, further ...int) rolling {
	r := rolling{backtest: b, plain: f.Plain(), horizon: horizon, paths: map[int][]float64{}}
	grid := b.origins(start, len(history))
	all := append(slices.Clone(grid), further...)
	slices.Sort(all)
	all = slices.Compact(all)
	for i, path := range f.Forecast(history, all) {
		r.paths[all[i]] = path
	}
	for _, o := range grid {
		for h, v := range r.paths[o] {
			if t := o + h; t < len(history) {
				r.sorted = append(r.sorted, outcome{target: t, ahead: h, forecast: v, actual: history[t]})
			}
		}
	}
	slices.SortFunc(r.sorted, func(x, y outcome) int {
		switch {
		case x.forecast < y.forecast:
			return -1
		case x.forecast > y.forecast:
			return 1
		case x.target != y.target:
			return x.target - y.target
		}
		return x.ahead - y.ahead
	})
	return r
}

// calibrationAt learns from the forecasts made since start whose targets were known at an origin.
func (r rolling) calibrationAt(start, origin int) *calibration {
	var known []outcome
	for _, o := range r.sorted {
		if o.target < origin && o.target-o.ahead >= start {
			known = append(known, o)
		}
	}
	return newCalibration(known, r.plain, origin, r.horizon, float64(r.backtest.Period)/2)
}

// points are the forecast from an origin as of then: a backtest of the history before it
// tells of the errors.
func (r rolling) points(origin int) []Point {
	c := r.calibrationAt(r.backtest.start(origin), origin)
	points := make([]Point, r.horizon)
	for h, v := range r.paths[origin] {
		points[h] = c.distribution(h, v).point()
	}
	return points
}

// loss is the mean pinball loss over the scored origins. Each is calibrated by the
// origins before it, as far as their targets were known at it. It is 0 where
// there are none.
func (r rolling) loss(history []float64, start int) float64 {
	origins := r.backtest.origins(start, len(history))
	first := len(origins) / 3
	every := max(1, (len(origins)-first)/max(1, r.backtest.Scored))
	var sum float64
	count := 0
	for i := first; i < len(origins); i += every {
		c := r.calibrationAt(start, origins[i])
		for h, v := range r.paths[origins[i]] {
			t := origins[i] + h
			if t >= len(history) {
				break
			}
			sum += c.distribution(h, v).loss(history[t])
			count++
		}
	}
	return sum / float64(max(1, count))
}
