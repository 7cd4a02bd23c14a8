package grafana

import (
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/boards"
)

// rawSQL is the text of a query, as it stands on the board.
func rawSQL(q query) string {
	if sql, ok := q.target.(*boards.SQL); ok {
		return sql.RawSQL
	}
	return ""
}

// spoil replaces a piece of a board's text.
func spoil(t testing.TB, file, old, new string) string {
	t.Helper()
	text := shipped(t)[file]
	if !strings.Contains(text, old) {
		t.Fatalf("%s has no %q", file, old)
	}
	return strings.Replace(text, old, new, 1)
}

// complains checks that one of the faults says so.
func complains(t *testing.T, faults []string, want string) {
	t.Helper()
	for _, f := range faults {
		if strings.Contains(f, want) {
			return
		}
	}
	t.Errorf("no fault says %q: %q", want, head(faults))
}

// What is no board of Grafana's is refused.
func TestBrokenJSON(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"a field of a panel", `"transparent": false`, `"transparent": false, "tpye": "stat"`, "tpye"},
		{"a field of the board", `"editable": false`, `"editable": false, "colour": "red"`, "colour"},
		{"a default", `"unit": "short"`, `"unit": "short", "untis": "short"`, "untis"},
		{"an option", `"showUnfilled": false`, `"showUnfilled": false, "showFilled": true`, "showFilled"},
		{"a field of a query", `"rawQuery": true`, `"rawQuery": true, "rawSQLL": ""`, "rawSQLL"},
		{"the type of a value", `"editable": false`, `"editable": "no"`, "editable"},
		{"the format of a query", `"format": "table"`, `"format": "tabel"`, "tabel"},
	} {
		if _, err := parse(spoil(t, "funnel.json", c.old, c.new)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What a look at all boards finds.
func TestBrokenBoards(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"a data source", `"uid": "tidemark-postgres"`, `"uid": "postgres"`, "asks tidemark-postgres and not postgres"},
		{"the uid of a data source", "\"tidemark-postgres\"\n          },\n          \"editorMode\"", "\"tidemark-pg\"\n          },\n          \"editorMode\"", "no source tidemark-pg"},
		{"a link", `/d/tidemark-health`, `/d/tidemark-wealth`, "leads nowhere"},
		{"a link of a column", `/d/tidemark-funnel?`, `/d/tidemark-tunnel?`, "leads nowhere"},
		{"a tag", "\"tags\": [\n        \"tidemark-sales\"", "\"tags\": [\n        \"tidemark-gales\"", "no board has the tag"},
		{"a unit", `"unit": "short"`, `"decimals": 2`, "has no unit"},
		{"a title", `"title": "Funnel of the last hour"`, `"title": "Funnel"`, "its title stands twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := all(t)
			read["funnel.json"] = need(t, spoil(t, "funnel.json", c.old, c.new))
			complains(t, faults(read, provisioned(t)), c.want)
		})
	}
}

// brokenSQL breaks the board of the funnel, one thing at a time.
func (p *pipeline) brokenSQL(t *testing.T, w *truth) {
	for _, c := range []struct{ name, old, new, want string }{
		{"a constant", `select\n    sum(total_orders) as \"Orders placed\",\n    sum(orders_with_items) as \"With items\",\n    sum(orders_with_payment) as \"With approved payment\"\nfrom funnel_windows\nwhere $__timeFilter(window_start)`,
			`select 8135 as \"Orders placed\", 7360 as \"With items\", 7353 as \"With approved payment\"`, "asks no table"},
		{"a constant beside a table", `sum(total_orders - orders_with_items) as`, `0 * count(*) + 1 as`, "want"},
		{"a view", `from v_latest_funnel`, `from v_last_funnel`, "v_last_funnel"},
		{"a column", `sum(orders_paid - orders_with_payment)`, `sum(orders_padi)`, "orders_padi"},
		{"a macro", `$__timeFilter(window_start)`, `$__timeFlter(window_start)`, "no such macro"},
		{"nothing", `from v_latest_funnel`, `from v_latest_funnel where total_orders < 0`, "answers nothing"},
		{"a name", `"options": "With items"`, `"options": "With item"`, `no column "With item"`},
		{"the column of words", `/^bottleneck$/`, `/^bottle$/`, `no column "bottle"`},
		{"the order of time", `group by 1\norder by 1`, `group by 1\norder by 1 desc`, "not in the order of time"},
		{"the column of time", `$__timeGroupAlias(window_start,$bucket)`, `$__timeGroup(window_start,$bucket) as hour`, "no column time"},
		{"a variable", `$__timeGroupAlias(window_start,$bucket)`, `$__timeGroupAlias(window_start,$bukcet)`, "bukcet"},
		{"a type", `sum(total_orders - orders_with_items) as`, `array_agg(total_orders) as`, "Grafana shows as it likes"},
		{"infinity", `extract(epoch from max(f.window_end)) * 1000 as`, `'infinity'::timestamptz as`, "no time for Grafana"},
		{"more than one row", `\"Paid, no items\"\nfrom funnel_windows\nwhere $__timeFilter(window_start)`,
			`\"Paid, no items\"\nfrom funnel_windows\nwhere $__timeFilter(window_start)\ngroup by window_start`, "more than one row"},
		{"a figure", `sum(orders_with_items) as \"With items\"`, `sum(orders_with_payment) as \"With items\"`, "want"},
		{"a filter", `from v_latest_funnel`, `from real_time_funnel`, "want"},
		{"what a bucket is", `$__timeGroupAlias(window_start,$bucket)`, `$__timeGroupAlias(window_start,7d)`, "want"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := p.screen(need(t, spoil(t, "funnel.json", c.old, c.new)))
			s.chosen["bucket"] = []string{"1d"}
			all := askAll(t.Context(), p.reader, s)
			complains(t, append(judge(all), w.board("tidemark-funnel", all, 24*time.Hour)...), c.want)
		})
	}
	t.Run("the same without data", func(t *testing.T) {
		s := p.screen(need(t, spoil(t, "funnel.json", `sum(total_orders - orders_with_items) as \"No items\",\n    sum(orders_with_items - orders_with_payment) as \"Items, no payment\",\n    sum(orders_paid - orders_with_payment) as`, `0 * count(*) as`)))
		complains(t, constant(t.Context(), p.reader, migrated(t), s), "answers the same without any data")
	})
}

// brokenPromQL breaks the board of health, one thing at a time.
func (p *pipeline) brokenPromQL(t *testing.T, w *truth) {
	for _, c := range []struct{ name, old, new, want string }{
		{"a metric", `sum(tidemark_lag_records{`, `sum(tidemark_lag{`, "no metric of Tidemark"},
		{"no metric", `sum(tidemark_lag_records{stream=~\"$stream\"})`, `vector(0)`, "asks no metric"},
		{"a part of a metric", `tidemark_row_latency_seconds_bucket`, `tidemark_row_latency_seconds_buckets`, "no metric of Tidemark"},
		{"a histogram as a whole", `sum(tidemark_lag_records{`, `sum(tidemark_row_latency_seconds{`, "no metric of Tidemark"},
		{"a label", `sum by (state) (tidemark_tasks`, `sum by (stat) (tidemark_tasks`, "the label stat"},
		{"a label of a selector", `sum(tidemark_lag_records{stream=~`, `sum(tidemark_lag_records{steam=~`, "the label steam"},
		{"the syntax", `sum(tidemark_lag_records{`, `sum((tidemark_lag_records{`, "refused by Prometheus"},
		{"nothing", `sum(tidemark_lag_records{stream=~\"$stream\"})`, `sum(tidemark_lag_records{stream=\"tidemark-wealth\"})`, "answers nothing"},
		{"a legend", `"legendFormat": "{{state}}"`, `"legendFormat": "{{sate}}"`, "no label sate"},
		{"a name", `"options": "Value"`, `"options": "Values"`, `no column "Values"`},
		{"a variable", `"query": "label_values(tidemark_tasks, stream)"`, `"query": "label_values(tidemark_task, stream)"`, "no metric of Tidemark"},
		{"a figure", `sum(tidemark_lag_records{stream=~\"$stream\"})`, `sum(tidemark_events_total{stream=~\"$stream\"})`, "Lag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := p.healthScreen(need(t, spoil(t, "health.json", c.old, c.new)))
			complains(t, append(health(t.Context(), p.prom, s), w.health(t.Context(), p.prom, s)...), c.want)
		})
	}
}
