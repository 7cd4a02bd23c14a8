package forecast

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// harmonic is a dynamic harmonic regression (Hyndman and Athanasopoulos, "Forecasting:
// Principles and Practice", 3rd edition, section 10.5), made direct: square roots of
// the value over the level at the origin, by sines and cosines of the seasons and by how
// the last season and the last of the longest period stand to that level. Coefficients
// are of ridge regression (Hoerl and Kennard, Technometrics 12, 1970).
type harmonic struct{}

// ridge is the penalty, for each point, on a coefficient of a regressor of variance one.
const ridge = .0002

func (harmonic) Name() string { return Harmonic }

func (harmonic) Least(periods []int) int { return 4 * periods[len(periods)-1] }

func (harmonic) Fit(history []float64, s Shape) Fitted {
	f := fittedHarmonic{shape: s, waves: waves(s.Periods)}
	levels := newLevels(history, s.Periods)
	// The year before the end: one sample for each target, with the horizons in turn.
	first := max(2*s.Periods[len(s.Periods)-1], len(history)-2*fitPoints)
	width := f.width()
	xtx, xty := mat.NewSymDense(width, nil), mat.NewVecDense(width, nil)
	row := mat.NewVecDense(width, nil)
	n := 0.0
	for target := first; target < len(history); target++ {
		origin := target - (target*7)%s.Horizon
		if origin < s.Periods[len(s.Periods)-1] {
			continue
		}
		level := levels.at(origin)
		if level.long == 0 {
			continue
		}
		f.regressors(row.RawVector().Data, level, target)
		xtx.SymRankOne(xtx, 1, row)
		xty.AddScaledVec(xty, math.Sqrt(min(history[target]/level.long, largest)), row)
		n++
	}
	for i := range width {
		// The constant is not held back, but for a trace that keeps the system soluble.
		penalty := n*ridge + 3
		if i == 0 {
			penalty = 1e-9
		}
		xtx.SetSym(i, i, xtx.At(i, i)+penalty)
	}
	var chol mat.Cholesky
	solution := mat.NewVecDense(width, nil)
	if !chol.Factorize(xtx) || chol.SolveVecTo(solution, xty) != nil {
		// Rounding has eaten the penalty: without seasons, the level alone is left.
		solution.Zero()
		solution.SetVec(0, 1)
	}
	f.coefficients = solution.RawVector().Data
	return f
}

// largest bounds what a sale far above the level may do to the coefficients.
const largest = 50

type fittedHarmonic struct {
	shape        Shape
	waves        []float64 // cycles a step
	coefficients []float64
}

func (fittedHarmonic) Plain() bool { return false }

func (f fittedHarmonic) Forecast(history []float64, origins []int) [][]float64 {
	levels := newLevels(history, f.shape.Periods)
	row := make([]float64, f.width())
	out := make([][]float64, len(origins))
	for i, origin := range origins {
		out[i] = make([]float64, f.shape.Horizon)
		level := levels.at(origin)
		if level.long == 0 {
			continue // nothing was sold for so long that there is no level: zeros
		}
		for h := range out[i] {
			f.regressors(row, level, origin+h)
			root := 0.0
			for j, c := range f.coefficients {
				root += c * row[j]
			}
			root = max(0, root)
			out[i][h] = min(root*root, largest) * level.long
		}
	}
	return out
}

func (f fittedHarmonic) width() int { return 3 + 2*len(f.waves) }

func (f fittedHarmonic) regressors(row []float64, l level, target int) {
	row[0] = 1
	row[1] = math.Sqrt(min(l.short/l.long, largest)) - 1
	row[2] = math.Sqrt(min(l.middle/l.long, largest)) - 1
	for i, w := range f.waves {
		_, turn := math.Modf(w * float64(target))
		sin, cos := math.Sincos(2 * math.Pi * turn)
		row[3+2*i], row[4+2*i] = math.Sqrt2*sin, math.Sqrt2*cos
	}
}

// waves are the frequencies of a set of seasons: harmonics of each period, and those
// that the longer ones make of the first of the shortest, so that a weekend may have another
// day than a weekday.
func waves(periods []int) []float64 {
	const most = 6
	seen := map[float64]bool{}
	var all []float64
	add := func(w float64) {
		if w > 0 && w < .5 && !seen[w] {
			seen[w] = true
			all = append(all, w)
		}
	}
	for i, p := range periods {
		for k := 1; k <= most && (i == 0 || k <= most/2); k++ {
			add(float64(k) / float64(p))
		}
	}
	for _, p := range periods[1:] {
		for k := 1; k <= most/2; k++ {
			for side := 1; side <= 2; side++ {
				base := float64(k) / float64(periods[0])
				add(base - float64(side)/float64(p))
				add(base + float64(side)/float64(p))
			}
		}
	}
	return all
}

// level is the mean of the last points before an origin: of the shortest period, of the
// longest, and of four of the longest.
type level struct{ short, middle, long float64 }

// levels finds means by sums from the start.
type levels struct {
	sums    []float64
	periods []int
}

func newLevels(history []float64, periods []int) levels {
	sums := make([]float64, len(history)+1)
	for i, y := range history {
		sums[i+1] = sums[i] + y
	}
	return levels{sums, periods}
}

func (l levels) at(origin int) level {
	longest := l.periods[len(l.periods)-1]
	short, middle, long := l.mean(origin, l.periods[0]), l.mean(origin, longest), l.mean(origin, 4*longest)
	return level{short, long, .9*middle + .1*long}
}

func (l levels) mean(origin, n int) float64 {
	n = min(n, origin)
	// Sums of large numbers leave a rest where there was nothing.
	if m := (l.sums[origin] - l.sums[origin-n]) / float64(n); m > 1e-9*l.sums[origin]/float64(origin) {
		return m
	}
	return 0
}
