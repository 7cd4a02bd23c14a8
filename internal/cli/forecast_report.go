package cli

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/plugins/forecast"
)

const (
	stepName    = "step"
	horizonName = "horizon"
	originsName = "origins"
	daysName    = "days"
	toName      = "to"
)

func forecastReportCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "forecast-report",
		Usage: "Tell how good forecasts of the sales in the database would have been",
		Description: "Forecasts the known sales from origins in the past, each by what was known then: models are\n" +
			"fitted, chosen and calibrated by the history before. \"chosen\" is what the stream would have written.\n" +
			"A ratio below 1 is better than seasonal_naive. The table is explained in docs/forecast.md.\n\n" +
			"  tidemark db forecast-report\n" +
			"  tidemark db forecast-report --step 24h --horizon 14\n" +
			"  tidemark db forecast-report --from 2018-03-01 --to 2018-06-01 --origins 200",
		Flags: []ucli.Flag{
			dsnFlag(),
			&ucli.DurationFlag{Name: stepName, Value: time.Hour, Usage: "forecast the sales of each 1h or each 24h"},
			&ucli.IntFlag{Name: horizonName, Usage: "how many steps each forecast reaches (default: 24 hours, 14 days)"},
			&ucli.IntFlag{Name: originsName, Value: 100, Usage: "make this many forecasts, evenly spread"},
			&ucli.IntFlag{Name: daysName, Usage: "of the last days (default: of the last 70 % of the history)"},
			&ucli.TimestampFlag{Name: fromName, Layout: time.DateOnly, Timezone: time.UTC, Usage: "instead: from this day on"},
			&ucli.TimestampFlag{Name: toName, Layout: time.DateOnly, Timezone: time.UTC, Usage: "and before this day (default: the end of the history)"},
			&ucli.BoolFlag{Name: jsonName, Usage: "print JSON"},
		},
		Action: func(c *ucli.Context) error {
			s := forecast.DefaultSettings()
			if s.Step = c.Duration(stepName); s.Step != time.Hour && s.Step != 24*time.Hour {
				return ucli.Exit("--step is 1h or 24h", 1)
			}
			switch {
			case c.IsSet(horizonName):
				s.Horizon = c.Int(horizonName)
			case s.Step > time.Hour:
				s.Horizon = 14
			}
			if c.Int(originsName) < 1 {
				return ucli.Exit("--origins must be at least 1", 1)
			}
			if c.IsSet(daysName) && c.IsSet(fromName) {
				return ucli.Exit("--days and --from exclude each other", 1)
			}
			f, err := s.New()
			if err != nil {
				return ucli.Exit("--"+err.Error(), 1)
			}
			return withDB(c, func(db *sql.DB) error { return forecastReport(c, db, f, s) })
		},
	}
}

// figure is a number that may not be known, as the ratio of nothing to nothing: JSON has null for it.
type figure float64

// MarshalJSON writes the number, or null.
func (f figure) MarshalJSON() ([]byte, error) {
	if v := float64(f); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return json.Marshal(v)
	}
	return []byte("null"), nil
}

// quality is a line of the report.
type quality struct {
	Model        string `json:"model"`
	Origins      int    `json:"origins"`
	Values       int    `json:"values"`
	MASE         figure `json:"mase"`
	RelativeMASE figure `json:"relative_mase"`
	Pinball      figure `json:"pinball"`
	PinballRatio figure `json:"pinball_ratio"`
	Coverage80   figure `json:"coverage_80"`
	Coverage95   figure `json:"coverage_95"`
}

func forecastReport(c *ucli.Context, db *sql.DB, f *forecast.Forecaster, s forecast.Settings) error {
	sales, err := pg.HourlySales(c.Context, db)
	if err != nil {
		return err
	}
	series := salesSeries(f, s.Step, sales)
	from, to := evaluated(c, series)
	origins := series.Origins(from, to, c.Int(originsName), s.Horizon)
	evaluations := f.Evaluate(series, origins)
	if len(evaluations) == 0 {
		return fmt.Errorf("the database holds %d complete steps of %v, too few to forecast any of the time asked for", len(series.Values), s.Step)
	}
	lines := qualities(evaluations)
	if c.Bool(jsonName) {
		enc := json.NewEncoder(c.App.Writer)
		enc.SetIndent("", "  ")
		return enc.Encode(lines)
	}
	fmt.Fprintf(c.App.Writer, "Forecasts of %d steps of %v, from %s to %s; history from %s to %s\n", s.Horizon, s.Step,
		minute(series.At(origins[0])), minute(series.At(origins[len(origins)-1])), minute(series.Start), minute(series.End()))
	return printQualities(c.App.Writer, lines)
}

// salesSeries leaves out the last step while it is not over.
func salesSeries(f *forecast.Forecaster, step time.Duration, sales []pg.Sales) forecast.Series {
	var observations []forecast.Observation
	if n := len(sales); n > 0 {
		end := sales[n-1].Hour.Add(time.Hour).Truncate(step)
		for _, s := range sales {
			if s.Hour.Before(end) {
				observations = append(observations, forecast.Observation{Time: s.Hour, Value: s.GMV})
			}
		}
	}
	return f.Series(observations)
}

// evaluated is the time whose forecasts are asked for.
func evaluated(c *ucli.Context, s forecast.Series) (from, to time.Time) {
	to = s.End()
	if t := c.Timestamp(toName); t != nil && t.Before(to) {
		to = *t
	}
	switch {
	case c.IsSet(fromName):
		return *c.Timestamp(fromName), to
	case c.IsSet(daysName):
		return to.Add(-time.Duration(c.Int(daysName)) * 24 * time.Hour), to
	}
	return s.At(len(s.Values) * 3 / 10), to
}

func qualities(evaluations []forecast.Evaluation) []quality {
	naive := forecast.Evaluation{MASE: math.NaN(), Pinball: math.NaN()}
	for _, e := range evaluations {
		if e.Model == forecast.SeasonalNaive {
			naive = e
		}
	}
	var lines []quality
	for _, e := range evaluations {
		lines = append(lines, quality{
			Model: e.Model, Origins: e.Origins, Values: e.Points,
			MASE: figure(e.MASE), RelativeMASE: figure(e.MASE / naive.MASE),
			Pinball: figure(e.Pinball), PinballRatio: figure(e.Pinball / naive.Pinball),
			Coverage80: figure(e.Coverage80), Coverage95: figure(e.Coverage95),
		})
	}
	return lines
}

func printQualities(w io.Writer, lines []quality) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "model\tMASE\trelative\tpinball\tratio\tin 80 %\tin 95 %\torigins\tvalues\t")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.2f\t%.3f\t%.1f\t%.1f\t%d\t%d\t\n", l.Model, l.MASE, l.RelativeMASE, l.Pinball, l.PinballRatio,
			100*l.Coverage80, 100*l.Coverage95, l.Origins, l.Values)
	}
	return t.Flush()
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
