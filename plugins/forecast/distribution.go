package forecast

// distribution is a weighted sample of scores, sorted, times a scale.
type distribution struct {
	scale, total, mean float64
	scores             []scored
}

// quantile returns the smallest value that at least the share p of the sample does not
// exceed. Without a sample it is the scale.
func (d distribution) quantile(p float64) float64 {
	if len(d.scores) == 0 {
		return d.scale
	}
	var sum float64
	for _, s := range d.scores {
		sum += s.weight
		if sum >= p*d.total*(1-1e-12) {
			return s.score * d.scale
		}
	}
	return d.scores[len(d.scores)-1].score * d.scale
}

// zero is the share of the sample that is 0.
func (d distribution) zero() float64 {
	var sum float64
	for _, s := range d.scores {
		if s.score > 0 {
			break
		}
		sum += s.weight
	}
	if d.total == 0 {
		return 0
	}
	return sum / d.total
}

// interval holds a value with the given probability: as likely below as above, but where
// zeros alone are likelier than the lower tail, nothing lies below 0, and the whole rest
// lies above.
func (d distribution) interval(coverage float64) (lower, upper float64) {
	tail := (1 - coverage) / 2
	if d.zero() > tail {
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
