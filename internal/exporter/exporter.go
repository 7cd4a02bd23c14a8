// Package exporter makes the metrics exporter prometheus tell Tidemark's metrics beside
// those of Benthos, at one endpoint.
package exporter

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redpanda-data/benthos/v4/public/service"

	figures "github.com/tidemark-streams/tidemark/plugins/prometheus"

	_ "github.com/redpanda-data/connect/v4/public/components/prometheus"
)

const name = "prometheus"

// stock has the exporter that is imported above, under its name.
var stock = service.GlobalEnvironment().Clone()

// The stock exporter has a registry of its own, which nobody can add to, and Benthos has no
// way to add to what it serves. So one of the same name takes its place, which hands
// everything on to the stock one and adds Tidemark's metrics to what that tells.
func init() {
	view, ok := stock.GetMetricsConfig(name)
	if !ok {
		panic("no metrics exporter " + name) // it is imported above
	}
	spec, err := specOf(view)
	if err != nil {
		panic(err) // it depends on no input
	}
	service.MustRegisterMetricsExporter(name, spec, func(conf *service.ParsedConfig, log *service.Logger) (service.MetricsExporter, error) {
		return newExporter(conf, log)
	})
}

// specOf is the very spec that a view shows.
func specOf(view *service.ConfigView) (*service.ConfigSpec, error) {
	text, err := view.FormatJSON()
	if err != nil {
		return nil, err
	}
	spec := service.NewConfigSpec()
	return spec, spec.EncodeJSON(text)
}

// exporter is the stock exporter and what is told beside it.
type exporter struct {
	stock  *service.Metrics
	close  func(context.Context) error
	hidden hidden
	serve  http.Handler
}

func newExporter(conf *service.ParsedConfig, log *service.Logger) (*exporter, error) {
	fields, err := conf.FieldAny()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{name: fields}) // JSON is YAML
	if err != nil {
		return nil, err
	}
	pages := http.NewServeMux()
	b := stock.NewResourceBuilder()
	b.DisableLinting() // that was done, and tells of a field's place in the config that was written
	b.SetBenthosLogger(log)
	b.SetHTTPMux(pages)
	b.SetEnvVarLookupFunc(literally)
	if err := b.SetMetricsYAML(string(text)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e := &exporter{}
	var res *service.Resources
	if res, e.close, err = b.Build(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e.stock = res.Metrics()
	own := prometheus.NewRegistry()
	if err := own.Register(figures.NewCollector()); err != nil {
		return nil, err
	}
	e.serve = promhttp.HandlerFor(prometheus.Gatherers{
		prometheus.GathererFunc(func() (told, error) { return e.hidden.filter(gather(pages)) }), own,
	}, promhttp.HandlerOpts{ErrorLog: errorLog{log}, ErrorHandling: promhttp.ContinueOnError})
	return e, nil
}

// literally leaves what looks like a variable as it is: the values are those of a config in
// which variables were filled in.
func literally(_ context.Context, variable string) (string, bool) { return "${" + variable + "}", true }

// HandlerFunc serves all metrics, where Benthos asks for it.
func (e *exporter) HandlerFunc() http.HandlerFunc { return e.serve.ServeHTTP }

// NewCounterCtor hands on.
func (e *exporter) NewCounterCtor(name string, keys ...string) service.MetricsExporterCounterCtor {
	c := e.stock.NewCounter(name, keys...)
	return func(values ...string) service.MetricsExporterCounter {
		e.hidden.show(name, keys, values)
		return counter{c, values}
	}
}

// NewTimerCtor hands on.
func (e *exporter) NewTimerCtor(name string, keys ...string) service.MetricsExporterTimerCtor {
	t := e.stock.NewTimer(name, keys...)
	return func(values ...string) service.MetricsExporterTimer {
		e.hidden.show(name, keys, values)
		return timer{t, values}
	}
}

// NewGaugeCtor hands on.
func (e *exporter) NewGaugeCtor(name string, keys ...string) service.MetricsExporterGaugeCtor {
	g := e.stock.NewGauge(name, keys...)
	return func(values ...string) service.MetricsExporterGauge {
		e.hidden.show(name, keys, values)
		return gauge{g, values}
	}
}

// DeleteSeriesPartialMatch hides the series of a stream that is gone: the stock exporter
// deletes them, but through Benthos' public interface it cannot be told to.
func (e *exporter) DeleteSeriesPartialMatch(labels map[string]string) { e.hidden.hide(labels) }

// Close closes the stock exporter.
func (e *exporter) Close(ctx context.Context) error { return e.close(ctx) }

type counter struct {
	of     *service.MetricCounter
	values []string
}

func (c counter) Incr(n int64)          { c.of.Incr(n, c.values...) }
func (c counter) IncrFloat64(n float64) { c.of.IncrFloat64(n, c.values...) }

type timer struct {
	of     *service.MetricTimer
	values []string
}

func (t timer) Timing(ns int64) { t.of.Timing(ns, t.values...) }

type gauge struct {
	of     *service.MetricGauge
	values []string
}

func (g gauge) Set(v int64)          { g.of.Set(v, g.values...) }
func (g gauge) SetFloat64(v float64) { g.of.SetFloat64(v, g.values...) }

// errorLog lets what goes wrong with a scrape be logged.
type errorLog struct{ to *service.Logger }

func (l errorLog) Println(v ...any) {
	l.to.With("error", fmt.Sprint(v...)).Warn("Metrics cannot be told in full")
}
