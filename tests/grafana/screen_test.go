package grafana

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// screen is a board as one person looks at it: a range of time, and chosen values of
// variables. It does to queries what Grafana does in the browser, by
// https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/ and
// https://grafana.com/docs/grafana/latest/dashboards/variables/add-template-variables/.
type screen struct {
	board    *board
	from, to time.Time
	chosen   map[string][]string // values by variable; the board's own where there are none
	options  map[string][]string // values that the queries of variables found
	scrape   time.Duration       // of the Prometheus
}

// opened is the board as it shows when it is opened at a time.
func opened(b *board, now time.Time) (*screen, error) {
	s := &screen{board: b, chosen: map[string][]string{}, options: map[string][]string{}, scrape: 15 * time.Second}
	var err error
	if s.from, err = instant(b.Time.From, now); err == nil {
		s.to, err = instant(b.Time.To, now)
	}
	return s, err
}

// instant reads a time as Grafana writes it: RFC 3339, now, or now-7d.
func instant(text string, now time.Time) (time.Time, error) {
	ago, relative := strings.CutPrefix(text, "now")
	switch {
	case relative && ago == "":
		return now, nil
	case relative:
		d, err := interval(strings.TrimPrefix(ago, "-"))
		return now.Add(-d), err
	}
	return time.Parse(time.RFC3339, text)
}

// interval reads a length of time as Grafana writes it: 1m, 12h, 7d, 1w, 1y.
func interval(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	if n := len(text) - 1; n > 0 {
		if unit := map[byte]time.Duration{'d': day, 'w': 7 * day, 'M': 30 * day, 'y': 365 * day}[text[n]]; unit != 0 {
			count, err := strconv.Atoi(text[:n])
			return time.Duration(count) * unit, err
		}
	}
	return time.ParseDuration(text)
}

// ladder are the lengths that Grafana rounds intervals to, each with the length below
// which it is taken.
var ladder = []struct {
	below, length time.Duration
	name          string
}{
	{1500 * time.Millisecond, time.Second, "1s"}, {3500 * time.Millisecond, 2 * time.Second, "2s"},
	{7500 * time.Millisecond, 5 * time.Second, "5s"}, {12500 * time.Millisecond, 10 * time.Second, "10s"},
	{17500 * time.Millisecond, 15 * time.Second, "15s"}, {25 * time.Second, 20 * time.Second, "20s"},
	{45 * time.Second, 30 * time.Second, "30s"}, {90 * time.Second, time.Minute, "1m"},
	{210 * time.Second, 2 * time.Minute, "2m"}, {450 * time.Second, 5 * time.Minute, "5m"},
	{750 * time.Second, 10 * time.Minute, "10m"}, {1050 * time.Second, 15 * time.Minute, "15m"},
	{1500 * time.Second, 20 * time.Minute, "20m"}, {45 * time.Minute, 30 * time.Minute, "30m"},
	{90 * time.Minute, time.Hour, "1h"}, {150 * time.Minute, 2 * time.Hour, "2h"},
	{270 * time.Minute, 3 * time.Hour, "3h"}, {9 * time.Hour, 6 * time.Hour, "6h"},
	{24 * time.Hour, 12 * time.Hour, "12h"}, {7 * 24 * time.Hour, 24 * time.Hour, "1d"},
	{21 * 24 * time.Hour, 7 * 24 * time.Hour, "1w"}, {42 * 24 * time.Hour, 30 * 24 * time.Hour, "30d"},
}

// steps divides the range into about so many steps, none shorter than least.
func (s *screen) steps(count int, least time.Duration) (time.Duration, string) {
	exact := s.to.Sub(s.from) / time.Duration(count)
	for _, l := range ladder {
		if exact < l.below && l.length >= least {
			return l.length, l.name
		}
	}
	return 365 * 24 * time.Hour, "1y"
}

// perPoint is $__interval: a step for each point that a panel has room for.
func (s *screen) perPoint() (time.Duration, string) { return s.steps(1000, time.Second) }

// builtin are the variables that Grafana itself has.
func (s *screen) builtin(name string) (string, bool) {
	step, stepName := s.perPoint()
	length := s.to.Sub(s.from)
	switch name {
	case "__interval":
		return stepName, true
	case "__interval_ms":
		return strconv.FormatInt(step.Milliseconds(), 10), true
	case "__rate_interval":
		return seconds(max(step+s.scrape, 4*s.scrape)), true
	case "__range":
		return seconds(length), true
	case "__range_s":
		return strconv.Itoa(int(length.Seconds())), true
	case "__range_ms":
		return strconv.FormatInt(length.Milliseconds(), 10), true
	case "__from":
		return strconv.FormatInt(s.from.UnixMilli(), 10), true
	case "__to":
		return strconv.FormatInt(s.to.UnixMilli(), 10), true
	}
	return "", false
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) + "s" }

// variable finds a variable of the board.
func (s *screen) variable(name string) *dashboard.VariableModel {
	for i := range s.board.Templating.List {
		if v := &s.board.Templating.List[i]; v.Name == name {
			return v
		}
	}
	return nil
}

const everything = "$__all"

// value is what a variable stands for. A custom value for all is taken as it is.
func (s *screen) value(v *dashboard.VariableModel) (values []string, custom bool, err error) {
	values = s.chosen[v.Name]
	if values == nil {
		if values = v.Current.Value.ArrayOfString; v.Current.Value.String != nil {
			values = []string{*v.Current.Value.String}
		}
	}
	switch {
	case len(values) == 1 && values[0] == everything && v.AllValue != nil && *v.AllValue != "":
		return []string{*v.AllValue}, true, nil
	case len(values) == 1 && values[0] == everything:
		return s.options[v.Name], false, nil
	case len(values) == 1 && values[0] == "$__auto_interval_"+v.Name:
		least, err := interval(*v.AutoMin)
		_, name := s.steps(int(*v.AutoCount), least)
		return []string{name}, false, err
	}
	return values, false, nil
}

// reference is how a text names a variable: $name, ${name}, ${name:format}. The older
// [[name]] is not used here, and refused.
var reference = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[\w+(?::\w+)?\]\]`)

// fill puts the values of variables into a query. What is no variable stays: it may be a
// macro of the data source. Plain formats values for which the query names no format; it
// is the data source's.
func (s *screen) fill(text string, plain func(v *dashboard.VariableModel, values []string) string) (string, error) {
	var wrong error
	filled := reference.ReplaceAllStringFunc(text, func(found string) string {
		m := reference.FindStringSubmatch(found)
		name := m[1] + m[2]
		if name == "" {
			wrong = fmt.Errorf("%s is the old way to name a variable", found)
			return found
		}
		if value, ok := s.builtin(name); ok {
			return value
		}
		v := s.variable(name)
		if v == nil {
			return found
		}
		values, custom, err := s.value(v)
		if err == nil && custom {
			return values[0]
		}
		var out string
		if err == nil && m[3] == "" {
			out = plain(v, values)
		} else if err == nil {
			out, err = formatted(m[3], values)
		}
		if err != nil {
			wrong = err
		}
		return out
	})
	return filled, wrong
}

// many says that a variable may stand for more than one value.
func many(v *dashboard.VariableModel) bool {
	return v.Multi != nil && *v.Multi || v.IncludeAll != nil && *v.IncludeAll
}

// formatted writes values in a format that a query names.
func formatted(format string, values []string) (string, error) {
	switch format {
	case "csv", "raw":
		return strings.Join(values, ","), nil
	case "pipe":
		return strings.Join(values, "|"), nil
	case "text":
		return strings.Join(values, " + "), nil
	case "sqlstring":
		return each(values, quoted), nil
	case "singlequote":
		return each(values, func(v string) string { return "'" + strings.ReplaceAll(v, "'", `\'`) + "'" }), nil
	case "regex":
		escaped := make([]string, len(values))
		for i, v := range values {
			escaped[i] = regexp.QuoteMeta(v)
		}
		if len(escaped) == 1 {
			return escaped[0], nil
		}
		return "(" + strings.Join(escaped, "|") + ")", nil
	}
	return "", fmt.Errorf("this substitution does not know the format %s", format)
}

func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

func each(values []string, write func(string) string) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = write(v)
	}
	return strings.Join(all, ",")
}
