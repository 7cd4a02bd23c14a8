package forecast

import (
	"cmp"
	"slices"
)

// distribution is a weighted sample of values that are not negative.
type distribution struct {
	mean    float64
	sample  []weighted // sorted
	total   float64
	without float64 // the value where there is no sample
	central bool    // intervals leave as much out below as above, zeros or not
}

type weighted struct{ value, weight float64 }

func newDistribution(without float64, size int) distribution {
	return distribution{without: without, sample: make([]weighted, 0, size)}
}

func (d *distribution) add(value, weight float64) {
	d.sample = append(d.sample, weighted{value, weight})
	d.total += weight
}

// sort completes the distribution.
func (d *distribution) sort() {
	slices.SortFunc(d.sample, func(a, b weighted) int {
		if c := cmp.Compare(a.value, b.value); c != 0 {
			return c
		}
		return cmp.Compare(a.weight, b.weight)
	})
	if d.total == 0 {
		d.sample = append(d.sample[:0], weighted{d.without, 1})
		d.total = 1
	}
	for _, s := range d.sample {
		d.mean += s.value * (s.weight / d.total)
	}
}

// quantile returns the smallest value that at least the share p of the sample does not exceed.
func (d distribution) quantile(p float64) float64 {
	var sum float64
	for _, s := range d.sample {
		sum += s.weight
		if sum >= p*d.total*(1-1e-12) {
			return s.value
		}
	}
	return d.sample[len(d.sample)-1].value
}

// zero is the share of the sample that is 0.
func (d distribution) zero() float64 {
	var sum float64
	for _, s := range d.sample {
		if s.value > 0 {
			break
		}
		sum += s.weight
	}
	return sum / d.total
}

// interval holds a value with the given probability: as likely below as above, but where
// zeros alone are likelier than the lower tail, nothing lies below 0, and the whole rest
// lies above.
func (d distribution) interval(coverage float64) (lower, upper float64) {
	tail := (1 - coverage) / 2
	if !d.central && d.zero() > tail {
		return 0, d.quantile(coverage)
	}
	return d.quantile(tail), d.quantile(1 - tail)
}

func (d distribution) point() Point {
	p := Point{Mean: d.mean}
	p.Lower80, p.Upper80 = d.interval(.8)
	p.Lower95, p.Upper95 = d.interval(.95)
	// One huge value in a sample may take its mean beyond most of it.
	p.Lower80, p.Upper80 = min(p.Lower80, p.Mean), max(p.Upper80, p.Mean)
	p.Lower95, p.Upper95 = min(p.Lower95, p.Lower80), max(p.Upper95, p.Upper80)
	return p
}

// loss is the mean pinball loss over [Quantiles].
func (d distribution) loss(actual float64) (sum float64) {
	for _, q := range Quantiles {
		sum += Pinball(actual, d.quantile(q), q)
	}
	return sum / float64(len(Quantiles))
}
