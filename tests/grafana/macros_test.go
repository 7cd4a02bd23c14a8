package grafana

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// sql is a query as Postgres gets it: variables filled in, then the macros of Grafana's
// Postgres data source, by
// https://grafana.com/docs/grafana/latest/datasources/postgres/query-editor/#macros and
// https://grafana.com/docs/grafana/latest/datasources/postgres/template-variables/.
func (s *screen) sql(text string) (string, error) {
	filled, err := s.fill(text, func(v *dashboard.VariableModel, values []string) string {
		if many(v) {
			return each(values, quoted)
		}
		return strings.ReplaceAll(strings.Join(values, ","), "'", "''")
	})
	if err != nil {
		return "", err
	}
	return s.macros(filled)
}

// call is a macro with its arguments, none of which may have a bracket of its own: Grafana
// ends the macro at the first one.
var call = regexp.MustCompile(`\$(\w+)\(([^)]*)\)(,?)`)

func (s *screen) macros(text string) (string, error) {
	var wrong error
	expanded := call.ReplaceAllStringFunc(text, func(found string) string {
		m := call.FindStringSubmatch(found)
		name, comma := m[1], m[3]
		if name == "__timeGroup" && comma != "" {
			name = "__timeGroupAlias" // as a column of the result it gets its name
		}
		arguments := strings.Split(m[2], ",")
		for i := range arguments {
			arguments[i] = strings.TrimSpace(arguments[i])
		}
		out, err := s.macro(name, arguments)
		if err != nil && wrong == nil {
			wrong = fmt.Errorf("%s: %w", strings.TrimSuffix(found, ","), err)
		}
		return out + comma
	})
	return expanded, wrong
}

func (s *screen) macro(name string, arguments []string) (string, error) {
	column := arguments[0]
	if column == "" && name != "__timeFrom" && name != "__timeTo" {
		return "", fmt.Errorf("it wants a column")
	}
	switch name {
	case "__time":
		return column + ` AS "time"`, nil
	case "__timeEpoch":
		return fmt.Sprintf(`extract(epoch from %s) as "time"`, column), nil
	case "__timeFilter":
		return fmt.Sprintf("%s BETWEEN %s AND %s", column, literal(s.from), literal(s.to)), nil
	case "__timeFrom":
		return literal(s.from), nil
	case "__timeTo":
		return literal(s.to), nil
	case "__timeGroup", "__timeGroupAlias":
		if len(arguments) < 2 || len(arguments) > 3 {
			return "", fmt.Errorf("it wants a column and an interval, and may have a fill")
		}
		length, err := interval(strings.Trim(arguments[1], "'"))
		if err != nil {
			return "", err
		}
		group := fmt.Sprintf("floor(extract(epoch from %s)/%v)*%[2]v", column, length.Seconds())
		if name == "__timeGroupAlias" {
			group += ` AS "time"`
		}
		return group, nil
	}
	return "", fmt.Errorf("there is no such macro")
}

func literal(t time.Time) string { return "'" + t.UTC().Format(time.RFC3339Nano) + "'" }

// promql is a query as Prometheus gets it, by
// https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/.
func (s *screen) promql(text string) (string, error) {
	return s.fill(text, func(v *dashboard.VariableModel, values []string) string {
		if !many(v) {
			return strings.Join(values, ",")
		}
		escaped := make([]string, len(values))
		for i, value := range values {
			// Within the quotes of PromQL a backslash needs another one.
			escaped[i] = strings.ReplaceAll(regexp.QuoteMeta(value), `\`, `\\`)
		}
		if len(escaped) == 1 {
			return escaped[0]
		}
		return "(" + strings.Join(escaped, "|") + ")"
	})
}
