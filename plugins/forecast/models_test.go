package forecast

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestNaiveTakesTheLongestSeasonThereIs(t *testing.T) {
	history := make([]float64, 20)
	for i := range history {
		history[i] = float64(i)
	}
	f := naive{}.Fit(history, Shape{Periods: []int{3, 7}, Horizon: 9})
	got := f.Forecast(history, []int{4, 20})
	for i, want := range [][]float64{{1, 2, 3, 1, 2, 3, 1, 2, 3}, {13, 14, 15, 16, 17, 18, 19, 13, 14}} {
		for h := range want {
			near(t, "step", got[i][h], want[h], 0)
		}
	}
}

// TestWintersIsTaylorsRecursion computes Taylor's equations (2003, with damping) as they
// are printed, with all levels, trends and seasons in tables.
func TestWintersIsTaylorsRecursion(t *testing.T) {
	y, _ := shop(9, 70, 5)
	const (
		alpha, beta, phi, lambda, delta, omega = .3, .1, .9, .4, .2, .15
		s1, s2                                 = 4, 12
	)
	w := newWinters(y[:30], []int{s1, s2}, smoothing{alpha: alpha, beta: beta, phi: phi, lambda: lambda, gammas: []float64{delta, omega}})
	begin := w.time
	if begin != 2*s2 {
		t.Fatalf("begins at %d", begin)
	}
	level, trend := map[int]float64{begin - 1: w.level}, map[int]float64{begin - 1: w.trend}
	d, v := map[int]float64{}, map[int]float64{}
	for i := range s1 {
		d[begin-s1+i] = w.seasons[0][(begin+i)%s1]
	}
	for i := range s2 {
		v[begin-s2+i] = w.seasons[1][(begin+i)%s2]
	}
	last := 0.0
	for i := begin; i < len(y); i++ {
		e := y[i] - (level[i-1] + phi*trend[i-1] + d[i-s1] + v[i-s2])
		level[i] = alpha*(y[i]-d[i-s1]-v[i-s2]) + (1-alpha)*(level[i-1]+phi*trend[i-1])
		trend[i] = beta*(level[i]-level[i-1]) + (1-beta)*phi*trend[i-1]
		d[i] = delta*(y[i]-level[i]-v[i-s2]) + (1-delta)*d[i-s1]
		v[i] = omega*(y[i]-level[i]-d[i-s1]) + (1-omega)*v[i-s2]
		near(t, "corrected error", w.observe(y[i]), e-lambda*last, 1e-9)
		last = e
	}
	n := len(y) - 1
	for h := 1; h <= 10; h++ {
		want := level[n] + d[n-s1+(h-1)%s1+1] + v[n-s2+(h-1)%s2+1] + math.Pow(lambda, float64(h))*last
		for k := 1; k <= h; k++ {
			want += math.Pow(phi, float64(k)) * trend[n]
		}
		near(t, "forecast", w.ahead(h), want, 1e-9)
	}
}
