// Package boards makes Tidemark's Grafana dashboards: five boards, each in the file of
// its name. The JSON under configs/grafana/dashboards is written from here by
// `make boards`, and nowhere else.
//
// It is made with the types of grafana-foundation-sdk, so that a field which Grafana
// does not have does not compile. The queries ask the tables and views of configs/postgres
// and the metrics of plugins/prometheus; tests/grafana runs every one of them.
package boards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Uids of the data sources. The provisioning under configs/grafana makes them.
const (
	PostgresUID   = "tidemark-postgres"
	PrometheusUID = "tidemark-prometheus"
)

// salesTag is on the boards that show sales by event time, and so can share a time range.
const salesTag = "tidemark-sales"

// Range is what a board about sales shows when it is opened, as Grafana writes times:
// RFC 3339, or relative as in now-7d.
type Range struct{ From, To string }

// Olist is the time of the Olist data: its first order is of 4 September 2016, its last
// of 17 October 2018.
func Olist() Range { return Range{"2016-09-01T00:00:00Z", "2018-11-01T00:00:00Z"} }

// All are the boards, by file name. Those about sales open at the range.
func All(opened Range) map[string]dashboard.Dashboard {
	return map[string]dashboard.Dashboard{
		"funnel.json":   funnel(opened),
		"gmv.json":      gmv(opened),
		"drop_off.json": dropOff(opened),
		"payments.json": payments(opened),
		"health.json":   health(),
	}
}

// JSON is a board as Grafana reads it: keys in the order of the alphabet, and the signs
// of SQL as they are.
func JSON(board dashboard.Dashboard) ([]byte, error) {
	if err := Problem(board.Validate()); err != nil {
		return nil, fmt.Errorf("board %s: %w", *board.Uid, err)
	}
	packed, err := json.Marshal(board)
	if err != nil {
		return nil, err
	}
	var plain any
	numbers := json.NewDecoder(bytes.NewReader(packed))
	numbers.UseNumber()
	if err := numbers.Decode(&plain); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	err = out.Encode(plain)
	return text.Bytes(), err
}

// Problem is err, but nil for a list of errors without any.
func Problem(err error) error {
	var list cog.BuildErrors
	if errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}

// sales is a board about sales: it opens at the range, and links to the others keep
// the time that is chosen.
func sales(uid, title, about string, opened Range) dashboard.Dashboard {
	b := board(uid, title, about, opened, "30s")
	b.Tags = append(b.Tags, salesTag)
	b.Links = []dashboard.DashboardLink{toSales(true), toBoard("Pipeline Health", healthUID)}
	return b
}

func board(uid, title, about string, opened Range, refresh string) dashboard.Dashboard {
	b := *dashboard.NewDashboard()
	b.Uid, b.Title, b.Description = &uid, &title, &about
	b.Tags = []string{"tidemark"}
	b.Timezone = cog.ToPtr("utc") // days and hours of the views are those of UTC
	b.Editable = cog.ToPtr(false)
	b.GraphTooltip = cog.ToPtr(dashboard.DashboardCursorSyncCrosshair)
	b.Time = &dashboard.DashboardDashboardTime{From: opened.From, To: opened.To}
	b.Refresh = &refresh
	return b
}

// toSales lists the boards about sales.
func toSales(keepTime bool) dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title: "Tidemark", Type: dashboard.DashboardLinkTypeDashboards, Icon: "dashboard",
		Tags: []string{salesTag}, KeepTime: keepTime,
	}
}

// toBoard leads to one board, at the time at which it opens.
func toBoard(title, uid string) dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title: title, Type: dashboard.DashboardLinkTypeLink, Icon: "bolt",
		Url: cog.ToPtr("/d/" + uid), Tags: []string{},
	}
}
