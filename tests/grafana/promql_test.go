package grafana

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	promsdk "github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"github.com/tidemark-streams/tidemark/plugins/prometheus"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// metrics says what is wrong with the names in PromQL: each metric has to be one of ours,
// and each label one of the metrics in the expression.
func metrics(expr string) (faults []string) {
	defined, histograms := map[string][]string{}, map[string]bool{}
	for _, d := range prometheus.Definitions() {
		defined[d.Name] = d.Labels
		histograms[d.Name] = d.Kind == prometheus.Histogram
	}
	labels := map[string]bool{}
	var found int
	for _, name := range metricNames(expr) {
		base := name
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if cut, ok := strings.CutSuffix(name, part); ok && histograms[cut] {
				base = cut
				labels["le"] = part == "_bucket"
			}
		}
		known, ok := defined[base]
		if !ok || base == name && histograms[name] {
			faults = append(faults, fmt.Sprintf("%s is no metric of Tidemark", name))
			continue
		}
		found++
		for _, l := range known {
			labels[l] = true
		}
	}
	if found == 0 {
		faults = append(faults, "asks no metric")
	}
	for _, l := range labelNames(expr) {
		if !labels[l] {
			faults = append(faults, fmt.Sprintf("no metric here has the label %s", l))
		}
	}
	return faults
}

var (
	text      = regexp.MustCompile(`"[^"]*"`)
	matchers  = regexp.MustCompile(`\{[^}]*\}`)
	length    = regexp.MustCompile(`\[[^\]]*\]`)
	grouping  = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	word      = regexp.MustCompile(`[A-Za-z_:][\w:]*`)
	function  = regexp.MustCompile(`[A-Za-z_:][\w:]*\s*\(`)
	operators = []string{"and", "or", "unless", "bool", "offset", "inf", "nan", "by", "without", "sum", "min", "max", "avg", "count"}
)

// metricNames are the words of an expression that are neither labels nor functions.
func metricNames(expr string) (names []string) {
	if m := labelValues.FindStringSubmatch(expr); m != nil {
		return []string{m[1]}
	}
	rest := text.ReplaceAllString(expr, "")
	for _, cut := range []*regexp.Regexp{matchers, length, grouping, function} {
		rest = cut.ReplaceAllString(rest, " ")
	}
	for _, w := range word.FindAllString(rest, -1) {
		if !slices.Contains(operators, strings.ToLower(w)) {
			names = append(names, w)
		}
	}
	return names
}

// labelNames are those in braces and in groupings.
func labelNames(expr string) (names []string) {
	if m := labelValues.FindStringSubmatch(expr); m != nil {
		return []string{m[2]}
	}
	rest := text.ReplaceAllString(expr, "")
	for _, m := range matchers.FindAllString(rest, -1) {
		names = append(names, word.FindAllString(m, -1)...)
	}
	for _, m := range grouping.FindAllStringSubmatch(rest, -1) {
		names = append(names, word.FindAllString(m[1], -1)...)
	}
	return names
}

// labelValues is the query of a variable, which is no PromQL.
var labelValues = regexp.MustCompile(`^label_values\((\w+),\s*(\w+)\)$`)

// sample is a series of an answer, with its values as text.
type sample struct {
	Metric map[string]string
	Value  []any   // time and value, of an instant
	Values [][]any // the same, of a range
}

// last is the newest value.
func (s sample) last() string {
	v := s.Value
	if v == nil && len(s.Values) > 0 {
		v = s.Values[len(s.Values)-1]
	}
	if len(v) < 2 {
		return "NaN"
	}
	return v[1].(string)
}

// tells says whether there is a value that is a number.
func (s sample) tells() bool {
	if s.Value != nil {
		return s.last() != "NaN"
	}
	return slices.ContainsFunc(s.Values, func(v []any) bool { return v[1] != "NaN" })
}

// evaluate asks Prometheus for one query of a screen.
func evaluate(ctx context.Context, p *kit.Prometheus, s *screen, q *promsdk.Dataquery) ([]sample, error) {
	expr, err := s.promql(q.Expr)
	if err != nil {
		return nil, err
	}
	var data struct{ Result []sample }
	stamp := func(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000) }
	if m := labelValues.FindStringSubmatch(expr); m != nil {
		var values []string
		err := p.API(ctx, "label/"+m[2]+"/values", url.Values{"match[]": {m[1]}}, &values)
		for _, v := range values {
			data.Result = append(data.Result, sample{Metric: map[string]string{m[2]: v}, Value: []any{0, "1"}})
		}
		return data.Result, err
	}
	if q.Instant != nil && *q.Instant {
		err = p.API(ctx, "query", url.Values{"query": {expr}, "time": {stamp(s.to)}}, &data)
		return data.Result, err
	}
	step, _ := s.perPoint()
	err = p.API(ctx, "query_range", url.Values{
		"query": {expr}, "start": {stamp(s.from)}, "end": {stamp(s.to)}, "step": {fmt.Sprint(max(step, s.scrape).Seconds())},
	}, &data)
	return data.Result, err
}

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// health says what is wrong with the PromQL of a board, while the pipeline is scraped.
func health(ctx context.Context, p *kit.Prometheus, s *screen) (faults []string) {
	names := map[*dashboard.Panel]map[string]bool{}
	for _, q := range s.board.queries() {
		target, ok := q.target.(*promsdk.Dataquery)
		if !ok {
			continue
		}
		fault := func(format string, args ...any) {
			faults = append(faults, q.place+": "+fmt.Sprintf(format, args...))
		}
		for _, f := range metrics(target.Expr) {
			fault("%s", f)
		}
		result, err := evaluate(ctx, p, s, target)
		if err != nil {
			fault("%v", err)
			continue
		}
		if !slices.ContainsFunc(result, sample.tells) {
			fault("answers nothing")
		}
		if q.panel == nil {
			continue
		}
		if names[q.panel] == nil {
			names[q.panel] = map[string]bool{}
		}
		known := names[q.panel]
		if target.Format != nil && *target.Format == promsdk.PromQueryFormatTable {
			known["Time"], known["Value"] = true, true
		}
		for _, series := range result {
			legend := ""
			if target.LegendFormat != nil {
				legend = *target.LegendFormat
			}
			for _, m := range legendLabel.FindAllStringSubmatch(legend, -1) {
				if series.Metric[m[1]] == "" {
					fault("a series has no label %s for its legend", m[1])
				}
				legend = strings.ReplaceAll(legend, m[0], series.Metric[m[1]])
			}
			known[legend] = true
			for label := range series.Metric {
				known[label] = true
			}
		}
	}
	for p, known := range names {
		for _, name := range namesIn(p) {
			if !known[name] {
				faults = append(faults, fmt.Sprintf("panel %q: there is no column %q", *p.Title, name))
			}
		}
	}
	return faults
}
