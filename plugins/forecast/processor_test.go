package forecast

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/linttest"
)

func TestLint(t *testing.T) {
	linttest.Lint(t, map[string]string{
		`forecast: {}`: "",
		`forecast: { step: 24h, horizon: 14, seasons: [ 7d ], models: [ profile, holt_winters ], backtest: { period: 60d } }`: "",
		`forecast: { horizon: 0 }`:              "horizon: must be at least 1",
		`forecast: { step: soon }`:              "step: ",
		`forecast: { seasons: [ 1d, often ] }`:  "seasons: ",
		`forecast: { models: [ prophet ] }`:     `models: there is no model "prophet"`,
		`forecast: { backtest: { scored: 0 } }`: "scored: must be at least 1",
		`forecast: { steps: 1h }`:               "field steps not recognised",
	})
}

func process(t *testing.T, config string, messages ...string) (service.MessageBatch, error) {
	t.Helper()
	conf, err := spec().ParseYAML(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProcessor(conf, service.MockResources())
	if err != nil {
		return nil, err
	}
	var batch service.MessageBatch
	for _, m := range messages {
		batch = append(batch, service.NewMessage([]byte(m)))
	}
	out, err := p.ProcessBatch(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 1 {
		t.Fatalf("%d batches", len(out))
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out[0], nil
}

func TestRefusedConfigs(t *testing.T) {
	for config, want := range map[string]string{
		`step: 7h`:                     "step: 7h0m0s does not divide a day",
		`step: 48h`:                    "step: ",
		`horizon: 0`:                   "horizon: ",
		`seasons: [ 1d, 90m ]`:         "seasons.1: 1h30m0s is no multiple",
		`{step: 24h, seasons: [ 1d ]}`: "seasons: none is longer than the step",
		`models: [ x ]`:                `models.0: there is no model "x"`,
		`backtest: { period: 2h }`:     "backtest.period: ",
		`max_history: 1d`:              "max_history: must be at least 48h",
	} {
		if _, err := process(t, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

func TestMessagesOfAForecast(t *testing.T) {
	values, _ := shop(4, 24*7*9, 3)
	var messages []string
	for h, v := range values {
		if v > 0 || h == len(values)-1 {
			messages = append(messages, fmt.Sprintf(`{"time":%d,"value":"%.2f"}`, start.Add(time.Duration(h)*time.Hour).Unix(), v))
		}
	}
	batch, err := process(t, `horizon: 30`, messages...)
	if err != nil || len(batch) != 30 {
		t.Fatalf("%d messages, %v", len(batch), err)
	}
	end := start.Add(time.Duration(len(values)) * time.Hour)
	for h, msg := range batch {
		text, err := msg.AsBytes()
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			MadeAt     time.Time   `json:"made_at"`
			TargetHour time.Time   `json:"target_hour"`
			Forecast   json.Number `json:"forecast"`
			Lower80    json.Number `json:"lower_80"`
			Upper80    json.Number `json:"upper_80"`
			Lower95    json.Number `json:"lower_95"`
			Upper95    json.Number `json:"upper_95"`
			Model      string      `json:"model"`
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if !got.MadeAt.Equal(end) || !got.TargetHour.Equal(end.Add(time.Duration(h)*time.Hour)) || got.Model == "" {
			t.Fatalf("%s", text)
		}
		for _, n := range []json.Number{got.Forecast, got.Lower80, got.Upper80, got.Lower95, got.Upper95} {
			if _, decimals, _ := strings.Cut(n.String(), "."); len(decimals) > 2 || n == "" {
				t.Fatalf("%s", text)
			}
		}
	}
}

func TestTooShortABatchIsDropped(t *testing.T) {
	for _, messages := range [][]string{nil, {`{"time":0,"value":1}`}, {`{"time":0,"value":1}`, `{"time":165600,"value":1}`}} {
		if batch, err := process(t, `{}`, messages...); batch != nil || err != nil {
			t.Errorf("%d messages, %v", len(batch), err)
		}
	}
	if batch, _ := process(t, `{}`, `{"time":0,"value":1}`, `{"time":169200,"value":1}`); len(batch) != 24 {
		t.Errorf("two days: %d messages", len(batch))
	}
}

func TestMessagesThatAreNoPointsFailWithTheirBatch(t *testing.T) {
	for message, want := range map[string]string{
		`garbage`:                         "no point of a series: ",
		`[]`:                              "it is no object",
		`{"value":1}`:                     "time: is missing",
		`{"time":"2018-01-01","value":1}`: "time: ",
		`{"time":1e300,"value":1}`:        "time: 1e300 is no time in seconds",
		`{"time":"9999-01-01T00:00:00Z","value":1}`: "the year 9999 is not between",
		`{"time":0}`:                "value: is missing",
		`{"time":0,"value":"dear"}`: "value: ",
		`{"time":0,"value":true}`:   "value: true is not a number",
		`{"time":0,"value":-0.01}`:  "the amount -0.01 is not between",
		`{"time":0,"value":"NaN"}`:  "the amount NaN is not between",
	} {
		batch, _ := process(t, `{}`, `{"time":0,"value":1}`, message, `{"time":900000,"value":1}`)
		if len(batch) != 3 {
			t.Fatalf("%s: %d messages", message, len(batch))
		}
		if err := batch[1].GetError(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", message, err, want)
		}
		if text, _ := batch[1].AsBytes(); string(text) != message {
			t.Errorf("%s became %s", message, text)
		}
		for _, i := range []int{0, 2} {
			if err := batch[i].GetError(); err == nil || !strings.Contains(err.Error(), "nothing is forecast: 1 of 3") {
				t.Errorf("message %d: %v", i, err)
			}
		}
	}
}
