package forecast

import (
	"math"
	"sort"
)

// calibration turns a model's forecasts into distributions, by what its forecasts of a
// backtest came to: split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic
// Learning in a Random World", 2005) with the errors scaled by the forecast (Lei and
// others, "Distribution-free predictive inference for regression", Journal of the
// American Statistical Association 113, 2018). Only outcomes of about the same horizon
// and forecast count, so that quiet hours have the zeros and the skew of quiet hours;
// newer ones count more, as the series may drift (Barber and others, "Conformal
// prediction beyond exchangeability", Annals of Statistics 51, 2023).
//
// The score is actual / (forecast + offset): it leads to no negative value, and the
// offset lets a forecast of zero have an interval.
type calibration struct {
	plain  bool
	offset float64
	bands  [][]scored // by horizon, each sorted by forecast
	bandOf []int      // of each step ahead
}

type scored struct {
	forecast, score, weight float64
}

const (
	// neighbours is how many outcomes a distribution is made of, at most and where there
	// are so many: they have to show 2.5 % at either end.
	neighbours = 400
	// reach is how far forecasts may be apart, as the logarithm of their ratio, for an
	// outcome to keep half its weight: where outcomes are few, the nearest are not near.
	reach = .5
	// offsetShare is the offset as a share of the mean of all outcomes.
	offsetShare = .05
)

// newCalibration learns from outcomes, sorted by forecast, whose actual values are known
// at time now. An outcome loses half its weight in halfLife steps.
func newCalibration(outcomes []outcome, plain bool, now, horizon int, halfLife float64) *calibration {
	c := &calibration{plain: plain, bandOf: make([]int, horizon)}
	// A band reaches to twice its first horizon: 1, 2-3, 4-7, …
	for h := range c.bandOf {
		c.bandOf[h] = int(math.Log2(float64(h + 1)))
	}
	c.bands = make([][]scored, c.bandOf[horizon-1]+1)
	var sum float64
	for _, o := range outcomes {
		sum += o.actual
	}
	if len(outcomes) > 0 {
		c.offset = offsetShare * sum / float64(len(outcomes))
	}
	for _, o := range outcomes {
		s := scored{forecast: o.forecast, weight: math.Exp2(float64(o.target-now) / halfLife)}
		switch {
		case plain:
			s.score = o.actual - o.forecast
		case o.forecast+c.offset > 0: // otherwise all outcomes are zeros
			s.score = o.actual / (o.forecast + c.offset)
		}
		c.bands[c.bandOf[o.ahead]] = append(c.bands[c.bandOf[o.ahead]], s)
	}
	return c
}

// distribution is that of a value that a model forecasts some steps ahead, from 0.
func (c *calibration) distribution(ahead int, forecast float64) distribution {
	band := c.bands[c.bandOf[ahead]]
	// A short history has no outcome of a long horizon: the nearest shorter one serves.
	for b := c.bandOf[ahead]; len(band) == 0 && b > 0; {
		b--
		band = c.bands[b]
	}
	if c.plain {
		d := newDistribution(forecast, len(band))
		for _, s := range band {
			d.add(max(0, forecast+s.score), s.weight)
		}
		d.sort()
		d.mean, d.central = forecast, true
		return d
	}
	at := sort.Search(len(band), func(i int) bool { return band[i].forecast >= forecast })
	k := min(neighbours, len(band))
	from := min(max(0, at-k/2), len(band)-k)
	d := newDistribution(forecast, k)
	for _, s := range band[from : from+k] {
		weight := s.weight
		far := math.Log((s.forecast+c.offset)/(forecast+c.offset)) / reach
		if !math.IsNaN(far) { // nothing was ever sold, nor forecast: all are alike
			weight /= 1 + far*far*far*far
		}
		d.add(s.score*(forecast+c.offset), weight)
	}
	d.sort()
	return d
}
