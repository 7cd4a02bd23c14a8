package forecast

import "testing"

// twoYears is a history of two years of hours.
func twoYears(b *testing.B) (*Forecaster, Series) {
	b.Helper()
	f, err := DefaultSettings().New()
	if err != nil {
		b.Fatal(err)
	}
	values, _ := shop(1, 730*24, 5)
	return f, series(values...)
}

// BenchmarkChoose fits all models, tries them and chooses one.
func BenchmarkChoose(b *testing.B) {
	f, s := twoYears(b)
	for b.Loop() {
		f.Choose(s.Values)
	}
}

// BenchmarkForecast forecasts a day with a model that was chosen before.
func BenchmarkForecast(b *testing.B) {
	f, s := twoYears(b)
	f.Forecast(s) // chooses
	for b.Loop() {
		f.Forecast(s)
	}
}
