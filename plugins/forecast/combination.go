package forecast

// combination is the plain mean of the models that learn from the whole history. Errors
// of different models partly cancel out, and weights that had to be estimated seldom do
// better: Clemen, "Combining forecasts: a review and annotated bibliography",
// International Journal of Forecasting 5 (1989).
type combination struct{}

func (combination) Name() string { return Combination }

func (combination) parts() []Model { return []Model{holtWinters{}, harmonic{}, profile{}} }

func (c combination) Least(periods []int) int {
	least := 0
	for _, m := range c.parts() {
		least = max(least, m.Least(periods))
	}
	return least
}

func (c combination) Fit(history []float64, s Shape) Fitted {
	return fits{history, s, map[string]Fitted{}}.of(c)
}

func (combination) compose(parts []Fitted) Fitted { return fittedCombination{parts} }

type fittedCombination struct{ parts []Fitted }

func (fittedCombination) Plain() bool { return false }

func (f fittedCombination) Forecast(history []float64, origins []int) [][]float64 {
	mean := make([][]float64, len(origins))
	for _, part := range f.parts {
		for o, path := range part.Forecast(history, origins) {
			if mean[o] == nil {
				mean[o] = make([]float64, len(path))
			}
			for h, v := range path {
				mean[o][h] += v / float64(len(f.parts))
			}
		}
	}
	return mean
}
