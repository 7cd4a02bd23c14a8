package forecast

import (
	"math"
	"testing"
)

func TestPinball(t *testing.T) {
	for _, c := range []struct{ actual, quantile, level, want float64 }{
		{10, 4, .9, 5.4}, {4, 10, .9, .6}, {10, 4, .1, .6}, {4, 10, .1, 5.4}, {7, 7, .5, 0}, {0, 3, .5, 1.5},
	} {
		near(t, "pinball", Pinball(c.actual, c.quantile, c.level), c.want, 1e-12)
	}
}

func TestMASE(t *testing.T) {
	// Seasonal differences 3, 1, 2, 2: a mean of 2. Forecasts are off by 1 and 4.
	history := []float64{1, 5, 4, 6, 2, 8}
	near(t, "MASE", MASE(history, 2, []float64{3, 3}, []float64{4, 7}), 2.5/2, 1e-12)
	for name, got := range map[string]float64{
		"a constant":   MASE([]float64{3, 3, 3}, 1, []float64{1}, []float64{2}),
		"one season":   MASE([]float64{1, 2}, 2, []float64{1}, []float64{2}),
		"no forecasts": MASE(history, 2, nil, nil),
	} {
		if !math.IsNaN(got) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCoverage(t *testing.T) {
	near(t, "coverage", Coverage([]float64{0, 2, 5, 1}, []float64{1, 3, 6, 1}, []float64{0, 3, 7, 1}), .75, 0)
	if !math.IsNaN(Coverage(nil, nil, nil)) {
		t.Error("the coverage of nothing is a number")
	}
}

func sample(values ...float64) distribution {
	d := newDistribution(9, len(values))
	for _, v := range values {
		d.add(v, 1)
	}
	d.sort()
	return d
}

func TestDistribution(t *testing.T) {
	d := sample(10, 7, 3, 1, 2, 4, 5, 6, 8, 9)
	near(t, "mean", d.mean, 5.5, 1e-12)
	for p, want := range map[float64]float64{.01: 1, .1: 1, .11: 2, .5: 5, .9: 9, 1: 10} {
		near(t, "quantile", d.quantile(p), want, 0)
	}
	lower, upper := d.interval(.8)
	near(t, "lower", lower, 1, 0)
	near(t, "upper", upper, 9, 0)

	// Three of ten are zero: nothing can be left out below, so all is above.
	d = sample(0, 0, 0, 1, 2, 3, 4, 5, 6, 7)
	lower, upper = d.interval(.8)
	near(t, "lower of zeros", lower, 0, 0)
	near(t, "upper of zeros", upper, 5, 0) // the eighth of ten

	d = sample()
	near(t, "nothing known", d.quantile(.5), 9, 0)
	near(t, "mean of nothing", d.mean, 9, 0)
}

// Weights decide, not numbers.
func TestWeightedQuantile(t *testing.T) {
	d := newDistribution(0, 3)
	d.add(1, 1)
	d.add(2, 1)
	d.add(3, 8)
	d.sort()
	near(t, "tenth", d.quantile(.1), 1, 0)
	near(t, "median", d.quantile(.5), 3, 0)
	near(t, "mean", d.mean, 2.7, 1e-12)
}
