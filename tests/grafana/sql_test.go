package grafana

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/piechart"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/trend"

	"github.com/tidemark-streams/tidemark/internal/boards"
)

// answer is what Postgres says to a query; null is an invalid string.
type answer struct {
	columns []string
	types   []string
	rows    [][]sql.NullString
}

// kinds are how Grafana takes the types of Postgres that boards use. It knows no arrays,
// intervals and uuids, but as whatever text its driver makes of them.
var kinds = map[string]string{
	"TIMESTAMPTZ": "time", "TEXT": "text", "VARCHAR": "text", "BOOL": "flag",
	"INT4": "number", "INT8": "number", "NUMERIC": "number", "FLOAT8": "number",
}

// count is how many columns are of a kind.
func (a *answer) count(kind string) (n int) {
	for _, t := range a.types {
		if kinds[t] == kind {
			n++
		}
	}
	return n
}

// values are those of a column.
func (a *answer) values(column string) (all []string) {
	at := slices.Index(a.columns, column)
	for _, row := range a.rows {
		all = append(all, row[at].String)
	}
	return all
}

func ask(ctx context.Context, db *sql.DB, text string) (*answer, error) {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	a := &answer{}
	if a.columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		a.types = append(a.types, t.DatabaseTypeName())
	}
	for rows.Next() {
		row := make([]sql.NullString, len(a.columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		a.rows = append(a.rows, row)
	}
	return a, rows.Err()
}

// relations are the tables that a query reads, by Postgres' own plan.
func relations(ctx context.Context, db *sql.DB, text string) ([]string, error) {
	var plan string
	if err := db.QueryRowContext(ctx, "explain (format json) "+text).Scan(&plan); err != nil {
		return nil, err
	}
	var names []string
	for _, m := range regexp.MustCompile(`"Relation Name": "(\w+)"`).FindAllStringSubmatch(plan, -1) {
		names = append(names, m[1])
	}
	return names, nil
}

// asked is a query with its answer, or what is wrong with it.
type asked struct {
	query
	answer *answer
	faults []string
}

// askAll asks the Postgres queries of a screen. It judges what every answer has to be
// like, whatever is selected; see also [judge].
func askAll(ctx context.Context, db *sql.DB, s *screen) (all []asked) {
	for _, q := range s.board.queries() {
		target, ok := q.target.(*boards.SQL)
		if !ok {
			continue
		}
		a := asked{query: q}
		fault := func(format string, args ...any) {
			a.faults = append(a.faults, q.place+": "+fmt.Sprintf(format, args...))
		}
		text, err := s.sql(target.RawSQL)
		if err == nil {
			a.answer, err = ask(ctx, db, text)
		}
		var tables []string
		if err == nil {
			tables, err = relations(ctx, db, text)
		}
		if err != nil {
			fault("%v", err)
			all = append(all, a)
			continue
		}
		if len(tables) == 0 {
			fault("asks no table")
		}
		for i, t := range a.answer.types {
			if kinds[t] == "" {
				fault("column %q is of type %s, which Grafana shows as it likes", a.answer.columns[i], t)
			}
		}
		for _, row := range a.answer.rows {
			for i, v := range row {
				if strings.HasSuffix(v.String, "infinity") {
					fault("column %q is %s, which is no time for Grafana", a.answer.columns[i], v.String)
				}
			}
		}
		if target.Format == boards.TimeSeries {
			a.faults = append(a.faults, isSeries(q.place, a.answer)...)
		}
		all = append(all, a)
	}
	return all
}

// isSeries says what Grafana would not take for time series.
func isSeries(place string, a *answer) (faults []string) {
	at := slices.Index(a.columns, "time")
	if at < 0 {
		return []string{place + ": a time series has no column time"}
	}
	text := a.count("text")
	switch {
	case text == 0 && a.count("number") == 0:
		faults = append(faults, place+": a time series has no numbers")
	case text > 0 && (len(a.columns) != 3 || !slices.Contains(a.columns, "metric")):
		// Otherwise texts become labels, and the name of a series is "value SP".
		faults = append(faults, place+": series are not named by the column metric alone")
	}
	last := ""
	for _, row := range a.rows {
		v := row[at].String
		if len(v) < len(last) || len(v) == len(last) && v < last {
			return append(faults, place+": a time series is not in the order of time")
		}
		last = v
	}
	return faults
}

// judge says what is wrong with the answers of a board that has data in its range: empty
// ones, and names that belong to no column.
func judge(all []asked) (faults []string) {
	names := map[*dashboard.Panel]map[string]bool{}
	for _, a := range all {
		faults = append(faults, a.faults...)
		if a.answer == nil {
			continue
		}
		if isEmpty(a.answer) {
			faults = append(faults, a.place+": answers nothing")
		}
		if a.panel == nil {
			continue
		}
		if names[a.panel] == nil {
			names[a.panel] = map[string]bool{}
		}
		for _, c := range a.answer.columns {
			names[a.panel][c] = true
		}
		if slices.Contains(a.answer.columns, "metric") {
			for _, v := range a.answer.values("metric") {
				names[a.panel][v] = true
			}
		}
		if fault := shape(a.panel, a.answer); fault != "" {
			faults = append(faults, a.place+": "+fault)
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

// isEmpty says that an answer has no value.
func isEmpty(a *answer) bool {
	for _, row := range a.rows {
		for i, v := range row {
			if v.Valid && a.columns[i] != "time" {
				return false
			}
		}
	}
	return true
}

// shape says what a panel cannot show of an answer.
func shape(p *dashboard.Panel, a *answer) string {
	byRow := false
	switch o := p.Options.(type) {
	case *stat.Options:
		if o.ReduceOptions.Fields != nil {
			column := strings.Trim(*o.ReduceOptions.Fields, "/^$")
			if !slices.Contains(a.columns, column) {
				return fmt.Sprintf("there is no column %q", column)
			}
		}
		if len(a.rows) > 1 {
			return "more than one row, of which only the last is shown"
		}
	case *bargauge.Options:
		if byRow = o.ReduceOptions.Values != nil && *o.ReduceOptions.Values; !byRow && len(a.rows) > 1 {
			return "more than one row, of which only the last is shown"
		}
	case *piechart.Options:
		byRow = *o.ReduceOptions.Values
	case *trend.Options:
		if !slices.Contains(a.columns, *o.XField) {
			return fmt.Sprintf("there is no column %q", *o.XField)
		}
	}
	if byRow && (a.count("text") != 1 || a.count("number") != 1) {
		return "rows are not a text with a number"
	}
	return ""
}

var field = regexp.MustCompile(`__data\.fields\.(\w+)`)

// namesIn are the columns that the settings of a panel name.
func namesIn(p *dashboard.Panel) (names []string) {
	for _, o := range p.FieldConfig.Overrides {
		names = append(names, o.Matcher.Options.(string))
		for _, property := range o.Properties {
			if property.Id == "custom.fillBelowTo" {
				names = append(names, property.Value.(string))
			}
			text, _ := json.Marshal(property.Value) // it was JSON
			for _, m := range field.FindAllStringSubmatch(string(text), -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

// findOptions asks the queries of a board's variables for their values.
func findOptions(ctx context.Context, db *sql.DB, s *screen) error {
	for i := range s.board.Templating.List {
		v := &s.board.Templating.List[i]
		if v.Type != dashboard.VariableTypeQuery || *v.Datasource.Uid != boards.PostgresUID {
			continue
		}
		text, err := s.sql(*v.Query.String)
		if err != nil {
			return err
		}
		a, err := ask(ctx, db, text)
		if err != nil {
			return err
		}
		s.options[v.Name] = a.values(a.columns[0])
	}
	return nil
}
