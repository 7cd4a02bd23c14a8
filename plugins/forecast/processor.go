package forecast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

const (
	fieldTime       = "time_field"
	fieldValue      = "value_field"
	fieldStep       = "step"
	fieldHorizon    = "horizon"
	fieldSeasons    = "seasons"
	fieldModels     = "models"
	fieldBacktest   = "backtest"
	fieldPeriod     = "period"
	fieldStride     = "stride"
	fieldScored     = "scored"
	fieldReselect   = "reselect_every"
	fieldMaxHistory = "max_history"
)

func init() {
	service.MustRegisterBatchProcessor("forecast", spec(), newProcessor)
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Categories("Analytics").
		Summary("Forecasts a series of amounts, such as the sales of each hour, with intervals.").
		Description(`
A batch is the history of one series, a message is a point of it, in any order. Points of the same step are added up; steps
between the first and the last point that have none are zeros. Times are cut to steps in UTC. The batch becomes one of
`+"`horizon`"+` messages, a message for each step behind the history:

`+"```json"+`
{"made_at": "2018-05-02T10:00:00Z", "target_hour": "2018-05-02T10:00:00Z", "forecast": 1043.55,
 "lower_80": 380.2, "upper_80": 1850.04, "lower_95": 161.37, "upper_95": 2710.9, "model": "combination"}
`+"```"+`

`+"`made_at`"+` is the end of the last step of the history, a time of the data and not of the clock; `+"`target_hour`"+` is the begin of
the step that is forecast, `+"`forecast`"+` its expected value. The value lies within the interval of 80 (95) % with that
probability. Amounts are rounded to cents. No bound is below 0, and 0 ≤ lower_95 ≤ lower_80 ≤ forecast ≤ upper_80 ≤ upper_95.

The last point says how far the history goes, so a step that is not over yet must not be among the points, and a last step
without sales must be there as a zero.

### Models

- `+"`seasonal_naive`"+`: the same hour a week ago;
- `+"`holt_winters`"+`: exponential smoothing with a damped trend and a season for each of `+"`seasons`"+` (Taylor 2003), on square roots;
- `+"`harmonic`"+`: ridge regression on the sines and cosines of the seasons and on recent levels;
- `+"`profile`"+`: a seasonal profile times a level, both of exponential weights, for series with many zeros;
- `+"`combination`"+`: the mean of the three before.

The model with the least pinball loss in a rolling-origin backtest is taken. Intervals are quantiles of what forecasts of
about the same size and horizon came to in the backtest (conformal prediction), so zeros and skew are in them.
A short history has fewer models to choose from, two days of hours at least `+"`seasonal_naive`"+`; `+"`model`"+` says which one it was.

### Delivery and errors

The processor keeps nothing but the choices of models, in memory, and the same history has the same forecast, also in another
process: a batch that is delivered again makes the same messages, and an upsert by `+"`made_at`, `target_hour` and `model`"+` the same rows.
A history of less than two of the shortest seasons, or an empty one, makes no message: the batch is acknowledged, with a line
in the log at level INFO.

A message that is no point (its time or value is missing, unreadable or negative) fails, and so does the batch that it is in,
since a history with holes would make a wrong forecast: nothing is forecast, and its messages go on unchanged, each with an error.
`+"`reject_errored`"+` or `+"`switch`"+` behind the processor keeps them from the output.`).
		Example("Sales of the next day", "Reads the sales of each hour from a table, and forecasts 24 hours.", `
input:
  pg_poll:
    dsn: ${POSTGRES_DSN}
    query: select hour, gmv from forecast_due()
    interval: 30s
pipeline:
  processors:
    - forecast:
        time_field: hour
        value_field: gmv
`).
		Field(service.NewStringField(fieldTime).
			Description("The field with the begin of a point's step, or any time within it: an RFC 3339 text, or a number of seconds since 1970.").
			Default("time")).
		Field(service.NewStringField(fieldValue).
			Description("The field with the amount: a number of at least 0, or its text.").
			Default("value")).
		Field(host.DurationField(fieldStep, "How long the interval is that a point stands for. It has to divide a day.").Default("1h")).
		Field(service.NewIntField(fieldHorizon).
			Description("How many steps to forecast.").
			LintRule(`root = if this.number().catch(1) < 1 { [ "horizon: must be at least 1" ] }`).
			Default(24)).
		Field(service.NewStringListField(fieldSeasons).
			Description("The lengths of the seasons, multiples of the step. Those that are no longer than the step are left out.").
			LintRule(`root = if this.type() == "string" { this.tidemark_lint_duration().map_each(m -> "seasons: " + m) }`).
			Default([]any{"1d", "7d"}).
			Advanced()).
		Field(service.NewStringListField(fieldModels).
			Description("The models to choose from. Empty: all.").
			LintRule(fmt.Sprintf(`root = if this.type() == "string" && !%s.contains(this) { [ "models: there is no model " + this.format_json(no_indent: true).string() ] }`, nameList())).
			Example([]any{SeasonalNaive, HoltWinters}).
			Default([]any{})).
		Field(service.NewObjectField(fieldBacktest,
			host.DurationField(fieldPeriod, "How long a stretch at the end of the history models are tried on, at most half of the history. Parameters are chosen by what lies before.").Default("120d"),
			host.DurationField(fieldStride, "From one origin to the next, at least a step. One that has no factor in common with the seasons meets every hour of the week.").Default("7h"),
			service.NewIntField(fieldScored).
				Description("How many origins are scored, to choose the model. More take more time.").
				LintRule(`root = if this.number().catch(1) < 1 { [ "scored: must be at least 1" ] }`).
				Default(60),
		).
			Description("How models are tried.").
			Advanced()).
		Field(host.DurationField(fieldReselect, "How long the choice of a model and its parameters hold, in data time: up to the next multiple of it since 1970.").
			Default("28d").
			Advanced()).
		Field(host.DurationField(fieldMaxHistory, "How much of the history counts; what is older is left out.").
			Default("730d").
			Advanced())
}

// nameList are the names of all models, as a list of Bloblang.
func nameList() string { return `["` + strings.Join(DefaultSettings().Models, `", "`) + `"]` }

type processor struct {
	timeField, valueField string
	forecaster            *Forecaster
	log                   *service.Logger
}

func newProcessor(conf *service.ParsedConfig, res *service.Resources) (service.BatchProcessor, error) {
	p := &processor{log: res.Logger()}
	var err error
	if p.timeField, err = conf.FieldString(fieldTime); err != nil {
		return nil, err
	}
	if p.valueField, err = conf.FieldString(fieldValue); err != nil {
		return nil, err
	}
	s, err := settings(conf)
	if err != nil {
		return nil, err
	}
	p.forecaster, err = s.New()
	return p, err
}

func settings(conf *service.ParsedConfig) (Settings, error) {
	s := DefaultSettings()
	backtest := conf.Namespace(fieldBacktest)
	for _, f := range []struct {
		conf *service.ParsedConfig
		name string
		to   *time.Duration
	}{
		{conf, fieldStep, &s.Step}, {backtest, fieldPeriod, &s.Period}, {backtest, fieldStride, &s.Stride},
		{conf, fieldReselect, &s.ReselectEvery}, {conf, fieldMaxHistory, &s.MaxHistory},
	} {
		d, err := host.Duration(f.conf, f.name)
		if err != nil {
			return s, err
		}
		*f.to = d.Std()
	}
	seasons, err := conf.FieldStringList(fieldSeasons)
	if err != nil {
		return s, err
	}
	s.Seasons = nil
	for i, text := range seasons {
		d, err := event.ParseDuration(text)
		if err != nil {
			return s, fmt.Errorf("%s.%d: %w", fieldSeasons, i, err)
		}
		s.Seasons = append(s.Seasons, d.Std())
	}
	if s.Horizon, err = conf.FieldInt(fieldHorizon); err != nil {
		return s, err
	}
	if s.Scored, err = backtest.FieldInt(fieldScored); err != nil {
		return s, err
	}
	models, err := conf.FieldStringList(fieldModels)
	if len(models) > 0 {
		s.Models = models
	}
	return s, err
}

func (p *processor) ProcessBatch(_ context.Context, batch service.MessageBatch) ([]service.MessageBatch, error) {
	observations := make([]Observation, 0, len(batch))
	wrong := 0
	for _, msg := range batch {
		o, err := p.observation(msg)
		if err != nil {
			msg.SetError(fmt.Errorf("no point of a series: %w", err))
			wrong++
			continue
		}
		observations = append(observations, o)
	}
	if wrong > 0 {
		err := fmt.Errorf("nothing is forecast: %d of %d messages of the batch are no points", wrong, len(batch))
		for _, msg := range batch {
			if msg.GetError() == nil {
				msg.SetError(err)
			}
		}
		return []service.MessageBatch{batch}, nil
	}
	s := p.forecaster.Series(observations)
	result, ok := p.forecaster.Forecast(s)
	if !ok {
		p.log.With("steps", len(s.Values), "step", s.Step, "least", p.forecaster.Least()).Debug("The history is too short to forecast")
		return nil, nil
	}
	return []service.MessageBatch{result.messages()}, nil
}

func (p *processor) observation(msg *service.Message) (o Observation, err error) {
	v, err := msg.AsStructured()
	if err != nil {
		return o, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return o, errors.New("it is no object")
	}
	if o.Time, err = readTime(fields[p.timeField]); err != nil {
		return o, fmt.Errorf("%s: %w", p.timeField, err)
	}
	if o.Value, err = readValue(fields[p.valueField]); err != nil {
		return o, fmt.Errorf("%s: %w", p.valueField, err)
	}
	return o, o.Check()
}

func readTime(v any) (time.Time, error) {
	switch t := v.(type) {
	case time.Time:
		return t, nil
	case string:
		return time.Parse(time.RFC3339, t)
	}
	seconds, err := readValue(v)
	if err == nil && !(math.Abs(seconds) < 1e11) {
		err = fmt.Errorf("%v is no time in seconds", v)
	}
	if err != nil {
		return time.Time{}, err
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
}

func readValue(v any) (float64, error) {
	switch n := v.(type) {
	case float64:
		return n, nil
	case int64:
		return float64(n), nil
	case int:
		return float64(n), nil
	case json.Number:
		return n.Float64()
	case string:
		return json.Number(strings.TrimSpace(n)).Float64()
	case nil:
		return 0, errors.New("is missing")
	}
	return 0, fmt.Errorf("%v is not a number", v)
}

func (r Result) messages() service.MessageBatch {
	batch := make(service.MessageBatch, len(r.Points))
	for h, p := range r.Points {
		batch[h] = service.NewMessage(nil)
		batch[h].SetStructuredMut(map[string]any{
			"made_at":     r.MadeAt.Format(time.RFC3339),
			"target_hour": r.MadeAt.Add(time.Duration(h) * r.Step).Format(time.RFC3339),
			"forecast":    cents(p.Mean),
			"lower_80":    cents(p.Lower80),
			"upper_80":    cents(p.Upper80),
			"lower_95":    cents(p.Lower95),
			"upper_95":    cents(p.Upper95),
			"model":       r.Model,
		})
	}
	return batch
}

// cents rounds to two decimals. It keeps the order of what it rounds.
func cents(v float64) float64 { return math.Round(v*100) / 100 }

func (*processor) Close(context.Context) error { return nil }
