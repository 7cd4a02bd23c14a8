package boards

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// bucketVariable lets one choose how long a bucket of the charts is. Left alone it
// follows the range, at some 200 buckets. Finest is the length of the board's windows.
func bucketVariable(finest string, choices ...string) dashboard.VariableModel {
	v := *dashboard.NewVariableModel()
	v.Type, v.Name, v.Label = dashboard.VariableTypeInterval, "bucket", cog.ToPtr("Bucket")
	v.Query = &dashboard.StringOrMap{String: cog.ToPtr(strings.Join(choices, ","))}
	v.Auto, v.AutoCount, v.AutoMin = cog.ToPtr(true), cog.ToPtr(int32(200)), &finest
	v.Refresh = cog.ToPtr(dashboard.VariableRefreshOnTimeRangeChanged)
	v.Multi, v.IncludeAll, v.AllowCustomValue = nil, nil, nil
	auto := option("auto", "$__auto_interval_bucket")
	v.Current = &auto
	v.Options = append(v.Options, auto)
	for _, c := range choices {
		v.Options = append(v.Options, option(c, c))
	}
	return v
}

// columnVariable filters by the values of a column. All is the column itself, so that
// `column in ($name)` holds for every row, those of values that come later too.
func columnVariable(name, label, column, table string) dashboard.VariableModel {
	v := choice(name, label)
	v.Datasource = postgres()
	sql := fmt.Sprintf("select distinct %s from %s order by 1", column, table)
	v.Query, v.Definition = &dashboard.StringOrMap{String: &sql}, &sql
	v.AllValue = &column
	return v
}

// labelVariable filters by the values of a label of a metric.
func labelVariable(name, label, metric string) dashboard.VariableModel {
	v := choice(name, label)
	v.Datasource = prometheusRef()
	query := fmt.Sprintf("label_values(%s, %s)", metric, name)
	v.Query, v.Definition = &dashboard.StringOrMap{String: &query}, &query
	v.AllValue = cog.ToPtr(".+")
	return v
}

// choice is a variable of which one takes some values, or all.
func choice(name, label string) dashboard.VariableModel {
	v := *dashboard.NewVariableModel()
	v.Type, v.Name, v.Label = dashboard.VariableTypeQuery, name, &label
	v.Multi, v.IncludeAll = cog.ToPtr(true), cog.ToPtr(true)
	v.Refresh = cog.ToPtr(dashboard.VariableRefreshOnTimeRangeChanged)
	v.Sort = cog.ToPtr(dashboard.VariableSortAlphabeticalAsc)
	v.Auto, v.AutoCount, v.AutoMin = nil, nil, nil
	all := option("All", "$__all")
	v.Current = &all
	return v
}

func option(text, value string) dashboard.VariableOption {
	return dashboard.VariableOption{
		Text: dashboard.StringOrArrayOfString{String: &text}, Value: dashboard.StringOrArrayOfString{String: &value},
	}
}

// withVariables gives the board its variables.
func withVariables(b *dashboard.Dashboard, variables ...dashboard.VariableModel) {
	b.Templating.List = variables
}

// withAlerts draws the alerts of the drop-off into the charts of the board.
func withAlerts(b *dashboard.Dashboard) {
	a := *dashboard.NewAnnotationQuery()
	a.Name, a.IconColor, a.Datasource = "Drop-off alerts", "red", postgres()
	a.BuiltIn, a.Placement = nil, nil
	a.Target = named(rows(`select
    window_start as time,
    window_end as timeend,
    format('%s of %s orders with status %s dropped, limit %s (%s)', dropped_orders, total_orders, order_status, round(upper_limit, 2), kind) as text,
    kind || ',' || order_status as tags
from drop_off_alerts
where $__timeFilter(window_start)
order by window_start`), "Anno")
	b.Annotations.List = []dashboard.AnnotationQuery{a}
}
