package boards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// postgresType is the plugin id of Grafana's data source for Postgres.
const postgresType = "grafana-postgresql-datasource"

// Format says how Grafana takes the rows of a query.
type Format string

// Formats. A time series has a column time, and a series for each other column; with
// three columns, one of them the text metric, a series for each metric.
const (
	Table      Format = "table"
	TimeSeries Format = "time_series"
)

// SQL is a query of the Postgres data source. The SDK has the types of all queries of
// Grafana's own data sources but those in SQL.
type SQL struct {
	Datasource *common.DataSourceRef `json:"datasource,omitempty"`
	RefID      string                `json:"refId"`
	Format     Format                `json:"format"`
	EditorMode string                `json:"editorMode"`
	RawQuery   bool                  `json:"rawQuery"`
	RawSQL     string                `json:"rawSql"`
}

// Register tells the SDK of the types of panels and queries. Boards can be read then.
func Register() {
	plugins.RegisterDefaultPlugins()
	cog.NewRuntime().RegisterDataqueryVariant(variants.DataqueryConfig{
		Identifier:                 postgresType,
		DataqueryUnmarshaler:       readSQL,
		StrictDataqueryUnmarshaler: readSQL,
	})
}

func readSQL(raw []byte) (variants.Dataquery, error) {
	q := &SQL{}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(q); err != nil {
		return nil, err
	}
	return q, q.Validate()
}

// ImplementsDataqueryVariant marks it as a query for the SDK.
func (q *SQL) ImplementsDataqueryVariant() {}

// DataqueryType is the plugin that answers it.
func (q *SQL) DataqueryType() string { return postgresType }

// Equals compares queries for the SDK.
func (q *SQL) Equals(other variants.Dataquery) bool {
	o, ok := other.(*SQL)
	return ok && q.RefID == o.RefID && q.Format == o.Format && q.EditorMode == o.EditorMode &&
		q.RawQuery == o.RawQuery && q.RawSQL == o.RawSQL
}

// Validate returns an error for a query that Grafana would not run as it stands.
func (q *SQL) Validate() error {
	switch {
	case q.RawSQL == "":
		return errors.New("rawSql is empty")
	case q.Format != Table && q.Format != TimeSeries:
		return fmt.Errorf("format %q is none of Grafana's", q.Format)
	case q.EditorMode != "code" || !q.RawQuery:
		return errors.New("the query builder would replace the SQL by its own")
	}
	return nil
}

// rows asks for a table.
func rows(sql string) variants.Dataquery { return sqlQuery(Table, sql) }

// series asks for time series.
func series(sql string) variants.Dataquery { return sqlQuery(TimeSeries, sql) }

func sqlQuery(format Format, sql string) *SQL {
	return &SQL{Datasource: postgres(), Format: format, EditorMode: "code", RawQuery: true, RawSQL: sql}
}

// promRange asks Prometheus for series over the range; legend names them by their labels.
func promRange(legend, expr string) variants.Dataquery {
	q := promQuery(legend, expr)
	q.Range = cog.ToPtr(true)
	return q
}

// promNow asks Prometheus for the values at the end of the range.
func promNow(legend, expr string) variants.Dataquery {
	q := promQuery(legend, expr)
	q.Instant = cog.ToPtr(true)
	return q
}

// promTable asks for the same as a table with a column for each label.
func promTable(expr string) variants.Dataquery {
	q := promQuery("", expr)
	q.Instant = cog.ToPtr(true)
	q.Format = cog.ToPtr(prometheus.PromQueryFormatTable)
	return q
}

func promQuery(legend, expr string) *prometheus.Dataquery {
	q := &prometheus.Dataquery{
		Datasource: prometheusRef(), Expr: expr, EditorMode: cog.ToPtr(prometheus.QueryEditorModeCode),
		Format: cog.ToPtr(prometheus.PromQueryFormatTimeSeries),
	}
	if legend != "" {
		q.LegendFormat = &legend
	}
	return q
}

// named gives the query its name within the panel.
func named(q variants.Dataquery, ref string) variants.Dataquery {
	switch q := q.(type) {
	case *SQL:
		q.RefID = ref
	case *prometheus.Dataquery:
		q.RefId = &ref
	}
	return q
}

func postgres() *common.DataSourceRef { return source(postgresType, PostgresUID) }

func prometheusRef() *common.DataSourceRef { return source("prometheus", PrometheusUID) }

func source(kind, uid string) *common.DataSourceRef {
	return &common.DataSourceRef{Type: &kind, Uid: &uid}
}
