package generate

import (
	"encoding/csv"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/generate/calendar"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// series are the orders of each hour of the days of the steady part of the data: after
// the weeks without orders at its beginning, before it peters out.
type series [][24]float64

var (
	steadyFirst = time.Date(2017, time.January, 5, 0, 0, 0, 0, time.UTC)
	steadyDays  = int(time.Date(2018, time.September, 1, 0, 0, 0, 0, time.UTC).Sub(steadyFirst) / (24 * time.Hour))
)

func newSeries(times []time.Time) series {
	s := make(series, steadyDays)
	for _, at := range times {
		if day := int(math.Floor(at.Sub(steadyFirst).Hours() / 24)); day >= 0 && day < steadyDays {
			s[day][at.Hour()]++
		}
	}
	return s
}

func (s series) date(day int) time.Time { return steadyFirst.AddDate(0, 0, day) }

// multiplicative fits months × weekdays × hours, by the marginal sums, and returns
// the expected orders of each hour: what a forecast that knows these factors would say.
func (s series) multiplicative() series {
	months, weekdays := map[int]float64{}, [7]float64{1, 1, 1, 1, 1, 1, 1}
	month := func(day int) int { return s.date(day).Year()*12 + int(s.date(day).Month()) }
	totals := make([]float64, len(s))
	hours, total := [24]float64{}, 0.0
	for day := range s {
		for hour, n := range s[day] {
			totals[day] += n
			hours[hour] += n
			total += n
		}
	}
	for range 20 {
		got, share := map[int]float64{}, map[int]float64{}
		for day, n := range totals {
			got[month(day)] += n
			share[month(day)] += weekdays[s.date(day).Weekday()]
		}
		for m := range got {
			months[m] = got[m] / share[m]
		}
		var sums, shares [7]float64
		for day, n := range totals {
			sums[s.date(day).Weekday()] += n
			shares[s.date(day).Weekday()] += months[month(day)]
		}
		for w := range weekdays {
			weekdays[w] = sums[w] / shares[w]
		}
	}
	fit := make(series, len(s))
	for day := range s {
		for hour := range s[day] {
			fit[day][hour] = months[month(day)] * weekdays[s.date(day).Weekday()] * hours[hour] / total
		}
	}
	return fit
}

// withinDays expects of each day its own orders, spread over the hours as all days of
// that weekday are: what a forecast that knows the days would say.
func (s series) withinDays() series {
	var hours [7][24]float64
	var sums [7]float64
	totals := make([]float64, len(s))
	for day := range s {
		w := s.date(day).Weekday()
		for hour, n := range s[day] {
			totals[day] += n
			hours[w][hour] += n
			sums[w] += n
		}
	}
	fit := make(series, len(s))
	for day := range s {
		w := s.date(day).Weekday()
		for hour := range s[day] {
			fit[day][hour] = totals[day] * hours[w][hour] / sums[w]
		}
	}
	return fit
}

// dispersion is Pearson's statistic over the number of hours: 1 where the hours stray
// from what is expected as far as Poisson noise does.
func (s series) dispersion(expected series) float64 {
	sum, n := 0.0, 0.0
	for day := range s {
		for hour, x := range s[day] {
			if e := expected[day][hour]; e > 0 {
				sum += (x - e) * (x - e) / e
				n++
			}
		}
	}
	return sum / n
}

func drawn(orders int, seed uint64) []time.Time {
	k := calendar.New(measuredCounts(), seed)
	r := rand.New(rand.NewPCG(seed, 0))
	times := make([]time.Time, orders)
	for i := range times {
		times[i] = k.Draw(r)
	}
	return times
}

// poisson draws a series around what is expected.
func poisson(expected series, r *rand.Rand) series {
	s := make(series, len(expected))
	for day := range expected {
		for hour, mean := range expected[day] {
			for at := r.ExpFloat64(); at < mean; at += r.ExpFloat64() {
				s[day][hour]++
			}
		}
	}
	return s
}

// realTimes are the purchases of the files that the tables were counted from.
func realTimes(t *testing.T) []time.Time {
	t.Helper()
	f, err := os.Open(filepath.Join(kit.Olist(t), OrdersFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []time.Time
	r := csv.NewReader(f)
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, moment(t, row[3]))
	}
	if len(all) != measuredOrders {
		t.Skipf("the tables were counted from %d orders, not from these %d", measuredOrders, len(all))
	}
	return all
}

// TestHoursHaveNoForm fails for hours that are drawn from months × weekdays × hours,
// or from days × hours: their residuals are Poisson noise, and a forecast of that form
// would be as good as one can be.
func TestHoursHaveNoForm(t *testing.T) {
	const orders = 100_000
	s := newSeries(drawn(orders, 1))
	for name, fit := range map[string]func(series) series{
		"months × weekdays × hours": series.multiplicative, "days × hours": series.withinDays,
	} {
		expected := fit(s)
		former := poisson(expected, rand.New(rand.NewPCG(2, 0)))
		if d := former.dispersion(fit(former)); d > 1.05 {
			t.Errorf("%s: hours of that form have a dispersion of %.2f: the check is no good", name, d)
		}
		got := s.dispersion(expected)
		t.Logf("%s: dispersion %.2f", name, got)
		if got < 1.5 {
			t.Errorf("%s: dispersion %.2f, want 1.5 or more", name, got)
		}
	}
}

// TestHoursFlatterNoForecast compares as many generated orders as there are real ones.
func TestHoursFlatterNoForecast(t *testing.T) {
	actual := newSeries(realTimes(t))
	for name, fit := range map[string]func(series) series{
		"months × weekdays × hours": series.multiplicative, "days × hours": series.withinDays,
	} {
		want := actual.dispersion(fit(actual))
		for seed := range uint64(5) {
			s := newSeries(drawn(measuredOrders, seed))
			got := s.dispersion(fit(s))
			t.Logf("%s: dispersion %.3f, real %.3f", name, got, want)
			if got < want-.03 {
				t.Errorf("%s: dispersion %.3f with seed %d, less than the real %.3f", name, got, seed, want)
			}
		}
	}
}

// TestOrdersFollowTheRealDays compares the shares of days, weekdays and hours.
func TestOrdersFollowTheRealDays(t *testing.T) {
	const orders = 100_000
	actual, got := realTimes(t), drawn(orders, 4)

	// The days are real counts, and so are the hours of the burst.
	day := func(at time.Time) string { return at.Format(time.DateOnly) }
	fits(t, "days", shares(actual, day), got, day)
	var burst, made []time.Time
	for _, at := range actual {
		if day(at) == "2017-11-24" {
			burst = append(burst, at)
		}
	}
	for _, at := range got {
		if day(at) == "2017-11-24" {
			made = append(made, at)
		}
	}
	hour := func(at time.Time) string { return at.Format("15") }
	fits(t, "hours of 24 Nov 2017", shares(burst, hour), made, hour)

	for name, c := range map[string]struct {
		key   func(time.Time) string
		bound float64
	}{
		"weekday":           {func(at time.Time) string { return at.Weekday().String() }, .01},
		"hour":              {hour, .02},
		"hour of the week":  {func(at time.Time) string { return at.Format("Mon 15") }, .04},
		"month and weekday": {func(at time.Time) string { return at.Format("2006-01 Mon") }, .02},
		"quarter and hour": {func(at time.Time) string {
			return at.AddDate(0, -(int(at.Month())-1)%3, 1-at.Day()).Format("2006-01 ") + at.Format("15")
		}, .05},
	} {
		d := distance(shares(actual, c.key), shares(got, c.key))
		t.Logf("by %s: distance %.4f", name, d)
		if d > c.bound {
			t.Errorf("by %s: total variation distance %.4f, want at most %.2f", name, d, c.bound)
		}
	}
}

// fits fails when the times were not drawn from a distribution, by chi-square: five
// standard deviations from its mean, which is the number of cells less one.
func fits(t *testing.T, name string, want map[string]float64, got []time.Time, key func(time.Time) string) {
	t.Helper()
	made := shares(got, key)
	chi, free := 0.0, float64(len(want)-1)
	for cell, share := range want {
		chi += float64(len(got)) * (made[cell] - share) * (made[cell] - share) / share
	}
	for cell := range made {
		if want[cell] == 0 {
			t.Errorf("%s: orders in %s, which has none", name, cell)
		}
	}
	t.Logf("%s: chi-square %.0f of %.0f", name, chi, free)
	if math.Abs(chi-free) > 5*math.Sqrt(2*free) {
		t.Errorf("%s: chi-square %.0f, want %.0f ± %.0f", name, chi, free, 5*math.Sqrt(2*free))
	}
}

// TestGrowthAndBursts compares what a smoothed calendar would have lost.
func TestGrowthAndBursts(t *testing.T) {
	const orders = 100_000
	actual, got := realTimes(t), drawn(orders, 5)
	for name, is := range map[string]func(at time.Time) bool{
		"first half of 2017": between("2017-01-01", "2017-07-01"),
		"first half of 2018": between("2018-01-01", "2018-07-01"),
		"carnival of 2018":   between("2018-02-10", "2018-02-15"),
		"24 Nov 2017":        between("2017-11-24", "2017-11-25"),
		"the day before":     between("2017-11-23", "2017-11-24"),
		"Christmas":          between("2017-12-24", "2018-01-01"),
		"the lorry strike":   between("2018-05-21", "2018-06-01"),
		"evening of 24 Nov": func(at time.Time) bool {
			return between("2017-11-24", "2017-11-25")(at) && (at.Hour() == 20 || at.Hour() == 21)
		},
		"after midnight of 24 Nov": func(at time.Time) bool { return at.Format("2006-01-02 15") == "2017-11-24 00" },
	} {
		want, n := share(actual, is), share(got, is)
		if deviation := math.Sqrt(want * (1 - want) / orders); math.Abs(n-want) > 5*deviation {
			t.Errorf("%s: share %.5f, want %.5f ± %.5f", name, n, want, 5*deviation)
		}
	}
}

func between(first, end string) func(time.Time) bool {
	from, _ := time.Parse(time.DateOnly, first)
	to, _ := time.Parse(time.DateOnly, end)
	return func(at time.Time) bool { return !at.Before(from) && at.Before(to) }
}

func share(times []time.Time, is func(time.Time) bool) float64 {
	hits := len(times) - len(slices.DeleteFunc(slices.Clone(times), is))
	return float64(hits) / float64(len(times))
}

func shares[T any](all []T, key func(T) string) map[string]float64 {
	counts := map[string]float64{}
	for _, x := range all {
		counts[key(x)] += 1 / float64(len(all))
	}
	return counts
}

// distance is the total variation distance of two distributions.
func distance(a, b map[string]float64) float64 {
	sum := 0.0
	for key, x := range a {
		sum += math.Abs(x - b[key])
	}
	for key, x := range b {
		if _, both := a[key]; !both {
			sum += x
		}
	}
	return sum / 2
}
