package forecast

// naive forecasts that the last season comes again: the hour a week ago, where the
// history is shorter the hour a day ago (Hyndman and Athanasopoulos, "Forecasting:
// Principles and Practice", 3rd edition, section 5.2).
type naive struct{}

func (naive) Name() string { return SeasonalNaive }

func (naive) Least(periods []int) int { return periods[0] }

func (naive) Fit(_ []float64, s Shape) Fitted { return fittedNaive{s} }

type fittedNaive struct{ shape Shape }

func (f fittedNaive) Forecast(history []float64, origins []int) [][]float64 {
	out := make([][]float64, len(origins))
	for i, origin := range origins {
		period := f.shape.Periods[0]
		for _, p := range f.shape.Periods {
			if p <= origin {
				period = p
			}
		}
		out[i] = make([]float64, f.shape.Horizon)
		for h := range out[i] {
			out[i][h] = history[origin-period+h%period]
		}
	}
	return out
}

// Plain keeps the yardstick what it is elsewhere.
func (fittedNaive) Plain() bool { return true }
