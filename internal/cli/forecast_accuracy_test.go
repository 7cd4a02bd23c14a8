package cli

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/generate"
	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/plugins/forecast"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// csvSales adds up price and freight of the items of a dataset by the hour of their
// order, without Kafka and Postgres.
func csvSales(t testing.TB, dir string) []pg.Sales {
	t.Helper()
	placed := map[string]time.Time{}
	for _, row := range csvRows(t, dir, "olist_orders_dataset.csv") {
		at, err := time.Parse(time.DateTime, row["order_purchase_timestamp"])
		if err != nil {
			t.Fatal(err)
		}
		placed[row["order_id"]] = at.Truncate(time.Hour)
	}
	cents := map[time.Time]int64{}
	for _, row := range csvRows(t, dir, "olist_order_items_dataset.csv") {
		for _, column := range []string{"price", "freight_value"} {
			v, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				t.Fatal(err)
			}
			cents[placed[row["order_id"]]] += int64(v*100 + .5)
		}
	}
	var all []pg.Sales
	for hour, sum := range cents {
		all = append(all, pg.Sales{Hour: hour, GMV: float64(sum) / 100})
	}
	slices.SortFunc(all, func(a, b pg.Sales) int { return a.Hour.Compare(b.Hour) })
	return all
}

func csvRows(t testing.TB, dir, name string) (all []map[string]string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, column := range records[0] {
			row[column] = record[i]
		}
		all = append(all, row)
	}
	return all
}

// accurate checks that the chosen models beat seasonal naive, and that their intervals
// hold what they promise.
func accurate(t *testing.T, sales []pg.Sales, s forecast.Settings, origins int) {
	t.Helper()
	f, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	series := salesSeries(f, s.Step, sales)
	lines := qualities(f.Evaluate(series, series.Origins(series.At(len(series.Values)*3/10), series.End(), origins, s.Horizon)))
	if err := printQualities(t.Output(), lines); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1+len(s.Models) {
		t.Fatalf("%d lines", len(lines))
	}
	chosen := lines[0]
	if chosen.Model != forecast.Chosen || !(chosen.PinballRatio < .95) || !(chosen.RelativeMASE < .95) {
		t.Errorf("no better than seasonal naive: %+v", chosen)
	}
	if chosen.Coverage80 < .75 || chosen.Coverage80 > .85 {
		t.Errorf("the interval of 80 %% holds %.1f %%", 100*chosen.Coverage80)
	}
	if chosen.Coverage95 < .9 || chosen.Coverage95 > .98 {
		t.Errorf("the interval of 95 %% holds %.1f %%", 100*chosen.Coverage95)
	}
}

func TestForecastsOfTwoGeneratedYears(t *testing.T) {
	dir := t.TempDir()
	if _, err := generate.Write(dir, generate.Options{Orders: 100_000, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	s := forecast.DefaultSettings()
	s.Scored, s.ReselectEvery = 15, 120*24*time.Hour
	accurate(t, csvSales(t, dir), s, 70)
}

func TestForecastsOfTheOlistFilesByDay(t *testing.T) {
	s := forecast.DefaultSettings()
	s.Step, s.Horizon = 24*time.Hour, 14
	s.Scored = 30
	accurate(t, csvSales(t, kit.Olist(t)), s, 80)
}
