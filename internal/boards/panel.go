package boards

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/piechart"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/trend"
)

// panel is a panel that has no place on its board yet.
type panel struct {
	dashboard.Panel
	width, height uint32 // in Grafana's grid, which is 24 wide
}

func newPanel(kind, title, about string, queries []variants.Dataquery) *panel {
	p := &panel{Panel: *dashboard.NewPanel()}
	p.Type, p.Title, p.Description = kind, &title, &about
	p.RepeatDirection = nil
	for i, q := range queries {
		p.Targets = append(p.Targets, named(q, string(rune('A'+i))))
	}
	p.Datasource = postgres()
	if _, ok := queries[0].(*SQL); !ok {
		p.Datasource = prometheusRef()
	}
	p.FieldConfig = &dashboard.FieldConfigSource{Overrides: []dashboard.DashboardFieldConfigSourceOverrides{}}
	return p
}

// lastValue reduces each column of numbers to its last value; a query of one row has no other.
func lastValue() common.ReduceDataOptions {
	return common.ReduceDataOptions{Calcs: []string{"lastNotNull"}}
}

// eachRow takes every row for itself, named by the row's text.
func eachRow() common.ReduceDataOptions {
	return common.ReduceDataOptions{Values: cog.ToPtr(true), Calcs: []string{}}
}

// figures shows the columns of one row as big numbers.
func figures(title, about string, queries ...variants.Dataquery) *panel {
	p := newPanel("stat", title, about, queries)
	o := stat.NewOptions()
	o.GraphMode, o.ColorMode = common.BigValueGraphModeNone, common.BigValueColorModeValue
	o.ReduceOptions = lastValue()
	p.Options = o
	p.color(dashboard.FieldColorModeIdThresholds).thresholds("text")
	return p
}

// words shows the text in a column of one row.
func words(column, title, about string, query variants.Dataquery) *panel {
	p := figures(title, about, query)
	o := p.Options.(*stat.Options)
	o.ReduceOptions.Fields = cog.ToPtr("/^" + column + "$/") // without it, only numbers are shown
	o.TextMode = common.BigValueTextModeValue
	o.ColorMode = common.BigValueColorModeBackgroundSolid
	o.Text = &common.VizTextDisplayOptions{ValueSize: cog.ToPtr(26.0)}
	return p
}

// bars shows numbers as horizontal bars, in the order of columns or rows, each beside its name.
func bars(reduce common.ReduceDataOptions, title, about string, queries ...variants.Dataquery) *panel {
	p := newPanel("bargauge", title, about, queries)
	o := bargauge.NewOptions()
	o.Orientation, o.NamePlacement = common.VizOrientationHorizontal, common.BarGaugeNamePlacementLeft
	o.DisplayMode, o.ValueMode = common.BarGaugeDisplayModeGradient, common.BarGaugeValueModeText
	o.ShowUnfilled = false
	o.ReduceOptions = reduce
	p.Options = o
	p.FieldConfig.Defaults.Min = cog.ToPtr(0.0)
	p.color(dashboard.FieldColorModeIdContinuousBlues)
	return p
}

// donut shows the share of each row.
func donut(title, about string, query variants.Dataquery) *panel {
	p := newPanel("piechart", title, about, []variants.Dataquery{query})
	o := piechart.NewOptions()
	o.PieType = piechart.PieChartTypeDonut
	o.ReduceOptions = eachRow()
	o.DisplayLabels = []piechart.PieChartLabels{piechart.PieChartLabelsPercent}
	o.Legend.ShowLegend, o.Legend.DisplayMode, o.Legend.Placement = true, common.LegendDisplayModeTable, common.LegendPlacementRight
	o.Legend.Values = []piechart.PieChartLegendValues{piechart.PieChartLegendValuesValue, piechart.PieChartLegendValuesPercent}
	o.Tooltip = tooltip()
	p.Options = o
	p.FieldConfig.Defaults.Custom = piechart.NewFieldConfig()
	p.color(dashboard.FieldColorModeIdPaletteClassicByName)
	return p
}

// listed shows rows as a table.
func listed(title, about string, queries ...variants.Dataquery) *panel {
	p := newPanel("table", title, about, queries)
	o := table.NewOptions()
	o.Footer = nil // the SDK's own default is not complete
	p.Options = o
	p.FieldConfig.Defaults.Custom = table.NewFieldConfig()
	return p.thresholds("text")
}

// over shows series over time.
func over(graph *common.GraphFieldConfig, title, about string, queries ...variants.Dataquery) *panel {
	p := newPanel("timeseries", title, about, queries)
	o := timeseries.NewOptions()
	o.Legend, o.Tooltip = legend(), tooltip()
	p.Options = o
	p.FieldConfig.Defaults.Custom = graph
	return p.color(dashboard.FieldColorModeIdPaletteClassicByName)
}

// along shows columns along another one that holds numbers.
func along(x string, graph *common.GraphFieldConfig, title, about string, query variants.Dataquery) *panel {
	p := newPanel("trend", title, about, []variants.Dataquery{query})
	o := trend.NewOptions()
	o.XField, o.Legend, o.Tooltip = &x, legend(), tooltip()
	p.Options = o
	p.FieldConfig.Defaults.Custom = graph
	return p.color(dashboard.FieldColorModeIdPaletteClassicByName)
}

func legend() common.VizLegendOptions {
	l := *common.NewVizLegendOptions()
	l.ShowLegend = true
	return l
}

func tooltip() common.VizTooltipOptions {
	return common.VizTooltipOptions{Mode: common.TooltipDisplayModeMulti, Sort: common.SortOrderDescending}
}

// lines joins the points. It is for what exists between them.
func lines() *common.GraphFieldConfig {
	return &common.GraphFieldConfig{
		DrawStyle: cog.ToPtr(common.GraphDrawStyleLine), LineWidth: cog.ToPtr(2.0), FillOpacity: cog.ToPtr(8.0),
		ShowPoints: cog.ToPtr(common.VisibilityModeAuto), PointSize: cog.ToPtr(4.0),
	}
}

// columns draws a bar for each bucket. It is for counts and amounts: the views have no
// row where nothing was sold, and a missing bar says 0 where a line would go on.
func columns() *common.GraphFieldConfig {
	return &common.GraphFieldConfig{
		DrawStyle: cog.ToPtr(common.GraphDrawStyleBars), LineWidth: cog.ToPtr(0.0), FillOpacity: cog.ToPtr(70.0),
		BarAlignment: cog.ToPtr(common.BarAlignmentAfter), // a bucket is named by its begin
		ShowPoints:   cog.ToPtr(common.VisibilityModeNever),
	}
}

// stacked puts the bars of one bucket onto each other.
func stacked() *common.GraphFieldConfig {
	g := columns()
	g.Stacking = &common.StackingConfig{Mode: cog.ToPtr(common.StackingModeNormal), Group: cog.ToPtr("A")}
	return g
}

func (p *panel) size(width, height uint32) *panel {
	p.width, p.height = width, height
	return p
}

func (p *panel) unit(unit string) *panel {
	p.FieldConfig.Defaults.Unit = &unit
	return p
}

func (p *panel) decimals(n float64) *panel {
	p.FieldConfig.Defaults.Decimals = &n
	return p
}

func (p *panel) atMost(n float64) *panel {
	p.FieldConfig.Defaults.Max = &n
	return p
}

func (p *panel) color(mode dashboard.FieldColorModeId) *panel {
	p.FieldConfig.Defaults.Color = &dashboard.FieldColor{Mode: mode}
	return p
}

// empty says what is shown instead of "No data" where the query finds nothing.
func (p *panel) empty(text string) *panel {
	p.FieldConfig.Defaults.NoValue = &text
	return p
}

// step is a color that holds from a value on.
type step struct {
	from  float64
	color string
}

// thresholds color values: base below the first step.
func (p *panel) thresholds(base string, steps ...step) *panel {
	all := []dashboard.Threshold{{Color: base}}
	for _, s := range steps {
		all = append(all, dashboard.Threshold{Value: &s.from, Color: s.color})
	}
	p.FieldConfig.Defaults.Thresholds = &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: all}
	return p
}

// column gives a column or a series properties of its own.
func (p *panel) column(name string, properties ...dashboard.DynamicConfigValue) *panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, dashboard.DashboardFieldConfigSourceOverrides{
		Matcher: dashboard.MatcherConfig{Id: "byName", Options: name}, Properties: properties,
	})
	return p
}

func property(id string, value any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: id, Value: value}
}

func unit(name string) dashboard.DynamicConfigValue { return property("unit", name) }

func fixed(color string) dashboard.DynamicConfigValue {
	return property("color", dashboard.FieldColor{Mode: dashboard.FieldColorModeIdFixed, FixedColor: &color})
}

// link makes the cells of a column lead to a place within Grafana.
func link(title, url string) dashboard.DynamicConfigValue {
	return property("links", []map[string]any{{"title": title, "url": url}})
}

// hidden takes columns out of a table. Links may still use them. Grafana 12 has another
// name for it than the versions before; each leaves out the one that it does not know.
func hidden() []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{property("custom.hidden", true), property("custom.hideFrom.viz", true)}
}
