package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// hourlySales is the oracle's history: cents of each hour from the first item to the
// last, straight from the CSV files.
func hourlySales(events []golden.Event) (first time.Time, cents []int64) {
	var last time.Time
	sums := map[time.Time]int64{}
	for _, e := range events {
		if e.Kind != golden.Item {
			continue
		}
		hour := e.Time.Truncate(time.Hour)
		sums[hour] += e.Price + e.Freight
		if first.IsZero() || hour.Before(first) {
			first = hour
		}
		if hour.After(last) {
			last = hour
		}
	}
	// The history reaches two years back.
	if earliest := last.Add(time.Hour - 730*24*time.Hour); first.Before(earliest) {
		first = earliest
	}
	for hour := first; !hour.After(last); hour = hour.Add(time.Hour) {
		cents = append(cents, sums[hour])
	}
	return first, cents
}

// historyIs holds the history that forecasts are made of against the oracle's and
// returns its end.
func (p *pipeline) historyIs(events []golden.Event) time.Time {
	p.Helper()
	first, want := hourlySales(events)
	rows, err := p.pg.DB.QueryContext(p.Context(), "select hour, (gmv * 100)::bigint from hourly_gmv order by hour")
	if err != nil {
		p.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var hour time.Time
		var cents int64
		if err := rows.Scan(&hour, &cents); err != nil {
			p.Fatal(err)
		}
		if at := first.Add(time.Duration(n) * time.Hour); n >= len(want) || !hour.Equal(at) || cents != want[n] {
			p.Fatalf("row %d is %v with %d cents; want %v of %d hours, %v", n, hour.UTC(), cents, at, len(want), want[min(n, len(want)-1)])
		}
		n++
	}
	if err := rows.Err(); err != nil {
		p.Fatal(err)
	}
	if n != len(want) {
		p.Fatalf("%d hours, want %d", n, len(want))
	}
	return first.Add(time.Duration(n) * time.Hour)
}

// forecasts returns all forecasts as text, by time made and target.
func (p *pipeline) forecasts() (all []string) {
	p.Helper()
	rows, err := p.pg.DB.QueryContext(p.Context(), `select to_json(f)::text from gmv_forecast as f order by made_at, target_hour`)
	if err != nil {
		p.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			p.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		p.Fatal(err)
	}
	return all
}

// forecastFrom checks that there is one forecast made at a time: 24 hours of one model,
// with intervals within each other.
func (p *pipeline) forecastFrom(madeAt time.Time) {
	p.Helper()
	var got string
	if err := p.pg.DB.QueryRowContext(p.Context(), `
		select concat_ws(' ', count(*), count(distinct target_hour), count(distinct model),
			extract(epoch from min(target_hour) - $1), extract(epoch from max(target_hour) - $1),
			bool_and(0 <= lower_95 and lower_95 <= lower_80 and lower_80 <= forecast and forecast <= upper_80 and upper_80 <= upper_95),
			sum(upper_80) > 0)
		from gmv_forecast where made_at = $1`, madeAt).Scan(&got); err != nil {
		p.Fatal(err)
	}
	if want := fmt.Sprintf("24 24 1 0.000000 %d.000000 t t", 23*3600); got != want {
		p.Fatalf("forecast of %v: %s, want %s", madeAt, got, want)
	}
}

func TestForecast(t *testing.T) {
	p := newPipeline(t, 3)
	dir := filepath.Join(kit.Scratch(t), "forecast")
	kit.MustRun(t, kit.Command{Args: []string{"generate", "--orders", "8000", "--seed", "3", "--out", dir}}, patience)

	// Nothing is known: followers end, and there is no forecast.
	p.consume()
	if got := p.forecasts(); len(got) > 0 {
		t.Fatalf("%d forecasts of nothing", len(got))
	}

	const until = 6000
	p.produce(dir, "--limit", fmt.Sprint(until))
	p.consume()
	some, _ := read(t, dir, until)
	end := p.historyIs(some)
	p.forecastFrom(end)
	before := p.forecasts()
	if len(before) != 24 {
		t.Fatalf("%d rows", len(before))
	}

	p.consume()
	if again := p.forecasts(); strings.Join(again, "\n") != strings.Join(before, "\n") {
		t.Fatalf("another run left %d rows, %s", len(again), again[0])
	}

	all, _ := read(t, dir, 0)
	rest := time.Time{}
	orders := 0
	for _, e := range all {
		if e.Kind == golden.Order {
			if orders++; orders == until+1 {
				rest = e.Time
			}
		}
	}
	p.produce(dir, "--start-from", rest.Format("2006-01-02T15:04:05Z"))
	p.consume()
	end = p.historyIs(all)
	p.forecastFrom(end)
	after := p.forecasts()
	if len(after) != 48 || strings.Join(after[:24], "\n") != strings.Join(before, "\n") {
		t.Fatalf("%d rows with more data", len(after))
	}
	var known int
	if err := p.pg.DB.QueryRowContext(t.Context(), "select count(actual) from v_gmv_forecast").Scan(&known); err != nil || known != 24 {
		t.Errorf("the sales of %d forecast hours are known, %v", known, err)
	}

	p.reportIsGood("--step", "1h", "--origins", "60")

	// What is computed anew is forecast anew.
	p.run("state", "reset", "--yes", "--consumer-group", "tidemark-gmv")
	if got := p.forecasts(); len(got) > 0 {
		t.Fatalf("%d forecasts are left", len(got))
	}
	p.consume()
	if got := p.forecasts(); strings.Join(got, "\n") != strings.Join(after[24:], "\n") {
		t.Errorf("computed anew: %d rows", len(got))
	}
}

// reportIsGood checks that the chosen models are better than the naive forecast, and
// that their intervals hold what they promise.
func (p *pipeline) reportIsGood(args ...string) {
	p.Helper()
	args = append([]string{"db", "forecast-report"}, args...)
	text := p.run(append(args, "--origins", "2")...).Stdout // the last one counts
	p.Log(text)
	var lines []struct {
		Model        string  `json:"model"`
		Origins      int     `json:"origins"`
		RelativeMASE float64 `json:"relative_mase"`
		PinballRatio float64 `json:"pinball_ratio"`
		Coverage80   float64 `json:"coverage_80"`
	}
	if err := json.Unmarshal([]byte(p.run(append(args, "--json")...).Stdout), &lines); err != nil {
		p.Fatal(err)
	}
	if len(lines) != 6 || lines[0].Model != "chosen" || lines[0].Origins != 60 {
		p.Fatalf("%+v", lines)
	}
	best := lines[0]
	// Few orders make many hours without any; the accuracy test has the narrow bounds.
	if best.PinballRatio >= 1 || best.RelativeMASE >= 1 || best.Coverage80 < .72 || best.Coverage80 > .88 {
		p.Errorf("%+v", best)
	}
	for _, l := range lines {
		if !strings.Contains(text, l.Model) {
			p.Errorf("the table has no %s:\n%s", l.Model, text)
		}
	}
}
