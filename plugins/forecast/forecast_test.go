package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// hours is a forecaster with the defaults, but for a smaller backtest.
func hours(t testing.TB, models ...string) *Forecaster {
	t.Helper()
	s := DefaultSettings()
	s.Scored = 10
	if len(models) > 0 {
		s.Models = models
	}
	f, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func series(values ...float64) Series {
	return Series{Start: time.Unix(0, 0).UTC(), Step: time.Hour, Values: values}
}

// shop is a series of sales whose expectation is known: the number of sales of an hour is
// Poisson, by an expectation with a day and a week, and each is worth an exponential amount.
func shop(seed uint64, n int, sales float64) (values, means []float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for t := range n {
		rate := sales * (1 + math.Sin(2*math.Pi*float64(t%24)/24))
		if t/24%7 >= 5 {
			rate /= 2
		}
		sum := 0.0
		for p := rng.ExpFloat64(); p < rate; p += rng.ExpFloat64() {
			sum += 100 * rng.ExpFloat64()
		}
		values, means = append(values, sum), append(means, 100*rate)
	}
	return values, means
}

func check(t interface{ Fatalf(string, ...any) }, points []Point) {
	for h, p := range points {
		last := 0.0
		for _, v := range []float64{p.Lower95, p.Lower80, p.Mean, p.Upper80, p.Upper95} {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < last {
				t.Fatalf("step %d: %+v", h, p)
			}
			last = v
		}
	}
}

func TestAnySeriesHasNestedFiniteForecasts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{48, 49, 100, 400, 800}).Draw(t, "points")
		amount := rapid.OneOf(
			rapid.Just(0.0), rapid.Float64Range(0, 1000), rapid.Float64Range(0, largestAmount),
			rapid.SampledFrom([]float64{5e-324, 1e-12, smallestAmount, .01, 1, largestAmount}))
		pool := rapid.SliceOfN(amount, 1, 60).Draw(t, "pool")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		observations := make([]Observation, n)
		for i := range observations {
			observations[i] = at(float64(i), pool[rng.IntN(len(pool))])
		}
		s := DefaultSettings()
		s.Scored = 2
		s.Models = []string{rapid.SampledFrom(DefaultSettings().Models).Draw(t, "model")}
		s.Horizon = rapid.SampledFrom([]int{1, 24, 100}).Draw(t, "horizon")
		f, err := s.New()
		if err != nil {
			t.Fatal(err)
		}
		result, ok := f.Forecast(f.Series(observations))
		if !ok || len(result.Points) != s.Horizon {
			t.Fatalf("%v: %d points of %d", ok, len(result.Points), s.Horizon)
		}
		check(t, result.Points)
	})
}

func TestTooShortAHistory(t *testing.T) {
	f := hours(t)
	for n, want := range map[int]bool{0: false, 1: false, 47: false, 48: true} {
		result, ok := f.Forecast(series(make([]float64, n)...))
		if ok != want {
			t.Errorf("%d hours: %v", n, ok)
		}
		if ok && (result.Model == "" || len(result.Points) != 24) {
			t.Errorf("%d hours: %+v", n, result)
		}
	}
}

// A list of models that all need more is no reason to leave a forecast out.
func TestAShortHistoryFallsBack(t *testing.T) {
	values, _ := shop(1, 60, 3)
	result, ok := hours(t, Harmonic).Forecast(series(values...))
	if !ok || result.Model != SeasonalNaive {
		t.Errorf("%v, %q", ok, result.Model)
	}
	values, _ = shop(1, 24*7*12, 3)
	if result, _ = hours(t, Harmonic).Forecast(series(values...)); result.Model != Harmonic {
		t.Errorf("12 weeks: %q", result.Model)
	}
}

func TestConstantsAndZerosAreForecastExactly(t *testing.T) {
	for _, v := range []float64{0, 7.25, 1e6} {
		for _, model := range DefaultSettings().Models {
			values := make([]float64, 24*7*10)
			for i := range values {
				values[i] = v
			}
			result, _ := hours(t, model).Forecast(series(values...))
			for h, p := range result.Points {
				for _, got := range []float64{p.Lower95, p.Mean, p.Upper95} {
					if math.Abs(got-v) > 1e-3*v {
						t.Fatalf("%s of %v, step %d: %+v", model, v, h, p)
					}
				}
			}
		}
	}
}

// Every model but the naive one finds the expectation of noisy sales, and the intervals
// hold what comes, with many sales an hour and with few.
func TestForecastsFindTheExpectation(t *testing.T) {
	const weeks, ahead = 26, 24
	for _, sales := range []float64{20, .4} {
		for _, model := range DefaultSettings().Models[1:] {
			f := hours(t, model)
			var off, total float64
			in80, in95, n := 0, 0, 0
			for seed := range uint64(8) {
				values, means := shop(seed, 7*24*weeks+int(seed)*31+ahead, sales)
				end := len(values) - ahead
				result, _ := f.Forecast(series(values[:end]...))
				check(t, result.Points)
				for h, p := range result.Points {
					off += math.Abs(p.Mean - means[end+h])
					total += means[end+h]
					n++
					if y := values[end+h]; p.Lower80 <= y && y <= p.Upper80 {
						in80++
					}
					if y := values[end+h]; p.Lower95 <= y && y <= p.Upper95 {
						in95++
					}
				}
			}
			c80, c95 := float64(in80)/float64(n), float64(in95)/float64(n)
			t.Logf("%v sales, %s: off by %.1f %%, %.3f and %.3f inside", sales, model, 100*off/total, c80, c95)
			if off > .4*total {
				t.Errorf("%v sales, %s: off by %.0f %%", sales, model, 100*off/total)
			}
			if c80 < .7 || c80 > .9 || c95 < .88 {
				t.Errorf("%v sales, %s: %.3f and %.3f inside", sales, model, c80, c95)
			}
		}
	}
}

// What a forecast was made before must not change the next one.
func TestForecastsAreAFunctionOfTheHistory(t *testing.T) {
	values, _ := shop(3, 24*7*30, 2)
	busy := hours(t)
	for n := 24 * 7 * 28; n < len(values); n += 17 {
		again, _ := busy.Forecast(series(values[:n]...))
		fresh, _ := hours(t).Forecast(series(values[:n]...))
		if again.Model != fresh.Model {
			t.Fatalf("%d hours: %s, %s", n, again.Model, fresh.Model)
		}
		for h := range fresh.Points {
			if again.Points[h] != fresh.Points[h] {
				t.Fatalf("%d hours, step %d: %+v, %+v", n, h, again.Points[h], fresh.Points[h])
			}
		}
	}
	if len(busy.choices) > 3 {
		t.Errorf("%d choices in two weeks", len(busy.choices))
	}
}

// No forecast may know what lies behind its origin: with another future, all that is
// evaluated before it is the same.
func TestForecastsDoNotSeeTheFuture(t *testing.T) {
	values, _ := shop(5, 24*7*20, 2)
	const origin = 24 * 7 * 16
	other := append([]float64(nil), values...)
	for i := origin; i < len(other); i++ {
		other[i] = 1e5 + float64(i)
	}
	shape := Shape{Periods: []int{24, 168}, Horizon: 24}
	back := Backtest{Period: 24 * 60, Stride: 7, Scored: 5}
	for _, m := range Models() {
		f := m.Fit(values[:origin], shape)
		start := back.start(origin)
		a := back.roll(values, f, 24, start, origin)
		b := back.roll(other, f, 24, start, origin)
		for h, p := range a.points(origin) {
			if q := b.points(origin)[h]; p != q {
				t.Fatalf("%s, step %d: %+v, %+v", m.Name(), h, p, q)
			}
		}
	}
}
