package forecast

import "math"

// profile is a seasonal profile times a level, made for series with many zeros. Both are
// ratios of exponentially weighted sums, as Croston's method in the form of Teunter,
// Syntetos and Babai ("Intermittent demand: linking forecasting to inventory
// obsolescence", European Journal of Operational Research 214, 2011) takes them apart: a
// zero is a value like any other, and quiet hours weigh little in the level. The profile
// of the longest period is held to that of the shorter ones where it has seen little.
type profile struct{}

// profileParameters are of the exponential weights: a point's half-life in steps.
type profileParameters struct {
	level  float64 // half-life of the level
	season float64 // half-life of the profiles
	prior  float64 // how many seasons the profile of the next shorter period is worth
}

func (profile) Name() string { return Profile }

func (profile) Least(periods []int) int { return 2 * periods[0] }

func (profile) Fit(history []float64, s Shape) Fitted {
	longest := s.Periods[len(s.Periods)-1]
	stride := max(1, s.Periods[0]/3+1)
	var origins []int
	for t := max(2*s.Periods[0], min(2*longest, len(history)/2)); t < len(history); t += stride {
		origins = append(origins, t)
	}
	origins = origins[max(0, len(origins)-fitPoints/stride):]
	best, least := fittedProfile{s, profileParameters{4 * float64(longest), 16 * float64(longest), 4}}, math.Inf(1)
	for _, level := range []float64{.25, .5, 1, 2, 4} {
		for _, season := range []float64{4, 8, 16, 32} {
			for _, prior := range []float64{1, 4, 16} {
				f := fittedProfile{s, profileParameters{level * float64(longest), season * float64(longest), prior}}
				if loss := poissonDeviance(f, history, origins); loss < least {
					best, least = f, loss
				}
			}
		}
	}
	return best
}

// poissonDeviance is the loss of forecasts without what no forecast changes, f - y log f:
// the mean makes it least, and large values weigh less than in squares.
func poissonDeviance(f Fitted, history []float64, origins []int) (sum float64) {
	for i, path := range f.Forecast(history, origins) {
		for h, v := range path {
			if t := origins[i] + h; t < len(history) {
				sum += v
				if history[t] > 0 {
					sum -= history[t] * math.Log(max(v, 1e-6*history[t]))
				}
			}
		}
	}
	return sum
}

type fittedProfile struct {
	shape      Shape
	parameters profileParameters
}

func (fittedProfile) Plain() bool { return false }

func (f fittedProfile) Forecast(history []float64, origins []int) [][]float64 {
	out := make([][]float64, len(origins))
	s := newProfileState(f.shape.Periods, f.parameters)
	t := 0
	for i, origin := range origins {
		for ; t < origin; t++ {
			s.observe(t, history[t])
		}
		out[i] = make([]float64, f.shape.Horizon)
		level := s.level()
		for h := range out[i] {
			out[i][h] = level * s.index(len(s.periods), origin+h)
		}
	}
	return out
}

// profileState holds the weighted sums: of values and of what they were expected to be
// without the factor that their ratio is.
type profileState struct {
	periods       []int
	keepLevel     float64 // how much of the sums a step leaves
	keepSeasons   []float64
	prior         float64
	value, expect float64
	values        [][]float64 // by period and phase
	expects       [][]float64
}

func newProfileState(periods []int, p profileParameters) *profileState {
	s := &profileState{periods: periods, prior: p.prior, keepLevel: math.Exp2(-1 / p.level)}
	for _, period := range periods {
		s.keepSeasons = append(s.keepSeasons, math.Exp2(-float64(period)/p.season))
		s.values = append(s.values, make([]float64, period))
		s.expects = append(s.expects, make([]float64, period))
	}
	return s
}

func (s *profileState) level() float64 {
	if s.expect == 0 {
		return 0
	}
	return s.value / s.expect
}

// index is the factor of time t by the first n periods.
func (s *profileState) index(n, t int) float64 {
	index := 1.0
	for i, p := range s.periods[:n] {
		// The sums are in units of the level, so that the prior is worth the same at any.
		v, e := s.values[i][t%p], s.expects[i][t%p]
		index *= (v + s.prior) / (e + s.prior)
	}
	return index
}

// observe takes the value of time t.
func (s *profileState) observe(t int, y float64) {
	level := s.level()
	if level > 0 {
		index := 1.0
		for i, p := range s.periods {
			phase := t % p
			keep := s.keepSeasons[i]
			s.values[i][phase] = keep*s.values[i][phase] + y/level
			s.expects[i][phase] = keep*s.expects[i][phase] + index
			index *= (s.values[i][phase] + s.prior) / (s.expects[i][phase] + s.prior)
		}
	}
	s.value = s.keepLevel*s.value + y
	s.expect = s.keepLevel*s.expect + s.index(len(s.periods), t)
}
