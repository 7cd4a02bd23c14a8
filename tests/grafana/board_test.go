package grafana

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"github.com/tidemark-streams/tidemark/internal/boards"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// folder is the shipped part of Grafana's configuration.
func folder(t testing.TB) string { return filepath.Join(kit.Root(t), "configs", "grafana") }

// shipped are the texts of all boards, by file name.
func shipped(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder(t), "dashboards", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no boards: %v", err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

// board is a board that was read.
type board struct {
	dashboard.Dashboard
}

// panels are those of the board, rows left out.
func (b *board) panels() (all []*dashboard.Panel) {
	for _, p := range b.Panels {
		if p.Panel != nil {
			all = append(all, p.Panel)
		}
		if p.RowPanel != nil {
			for i := range p.RowPanel.Panels {
				all = append(all, &p.RowPanel.Panels[i])
			}
		}
	}
	return all
}

// parse reads a board as strictly as can be: a field that Grafana does not know, a value
// of another type, or a query of an unknown kind is an error. Reading and writing it
// again has to give the same, which finds what the SDK skips.
func parse(text string) (*board, error) {
	boards.Register()
	b := &board{}
	if err := boards.Problem(b.UnmarshalJSONStrict([]byte(text))); err != nil {
		return nil, err
	}
	if err := boards.Problem(b.Validate()); err != nil {
		return nil, err
	}
	again, err := json.Marshal(b.Dashboard)
	if err != nil {
		return nil, err
	}
	var was, is any
	if err := json.Unmarshal([]byte(text), &was); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(again, &is); err != nil {
		return nil, err
	}
	if path := difference("", was, is); path != "" {
		return nil, fmt.Errorf("%s is nothing that Grafana knows", path)
	}
	return b, nil
}

// difference is the path of something that differs.
func difference(path string, was, is any) string {
	switch was := was.(type) {
	case map[string]any:
		now, ok := is.(map[string]any)
		if !ok {
			return path
		}
		for key, value := range was {
			if d := difference(path+"/"+key, value, now[key]); d != "" {
				return d
			}
		}
		for key := range now {
			if _, ok := was[key]; !ok {
				return path + "/" + key
			}
		}
	case []any:
		now, _ := is.([]any) // an empty list may come back as null
		if len(now) != len(was) {
			return path
		}
		for i := range was {
			if d := difference(fmt.Sprintf("%s/%d", path, i), was[i], now[i]); d != "" {
				return d
			}
		}
	default:
		if was != is {
			return path
		}
	}
	return ""
}

// need parses a board that has to be right.
func need(t testing.TB, text string) *board {
	t.Helper()
	b, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// query is something that Grafana asks for a board.
type query struct {
	place  string                // whose it is, for messages
	panel  *dashboard.Panel      // nil for variables and annotations
	source *common.DataSourceRef // of the panel, annotation or variable
	target variants.Dataquery
}

// queries are those of panels, variables and annotations.
func (b *board) queries() (all []query) {
	for _, p := range b.panels() {
		for _, target := range p.Targets {
			all = append(all, query{fmt.Sprintf("%s, panel %q", *b.Title, *p.Title), p, p.Datasource, target})
		}
	}
	for _, a := range b.Annotations.List {
		all = append(all, query{fmt.Sprintf("%s, annotation %q", *b.Title, a.Name), nil, a.Datasource, a.Target})
	}
	for _, v := range b.Templating.List {
		if v.Type != dashboard.VariableTypeQuery {
			continue
		}
		q := query{place: fmt.Sprintf("%s, variable %q", *b.Title, v.Name), source: v.Datasource}
		if *v.Datasource.Uid == boards.PostgresUID {
			q.target = &boards.SQL{Datasource: v.Datasource, RefID: v.Name, Format: boards.Table, EditorMode: "code", RawQuery: true, RawSQL: *v.Query.String}
		} else {
			q.target = &prometheus.Dataquery{Datasource: v.Datasource, Expr: *v.Query.String}
		}
		all = append(all, q)
	}
	return all
}

func sourceOf(q variants.Dataquery) *common.DataSourceRef {
	switch q := q.(type) {
	case *boards.SQL:
		return q.Datasource
	case *prometheus.Dataquery:
		return q.Datasource
	}
	return nil
}

// faults are what is wrong with boards that can be seen without a server.
func faults(all map[string]*board, sources map[string]string) (found []string) {
	fault := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	uids := map[string]bool{}
	for _, b := range all {
		uids[*b.Uid] = true
	}
	leads := func(place, url string) {
		uid, inside := strings.CutPrefix(url, "/d/")
		uid, _, _ = strings.Cut(uid, "?")
		if !inside || !uids[uid] {
			fault("%s: %s leads nowhere", place, url)
		}
	}
	for file, b := range all {
		titles, ids := map[string]int{}, map[uint32]bool{}
		for _, p := range b.panels() {
			place := fmt.Sprintf("%s, panel %q", file, *p.Title)
			// Two panels may have one title where one is a number and the other its trend.
			if titles[*p.Title+p.Type]++; titles[*p.Title+p.Type] > 1 {
				fault("%s: its title stands twice", place)
			}
			if ids[*p.Id] {
				fault("%s: its id stands twice", place)
			}
			ids[*p.Id] = true
			if p.FieldConfig.Defaults.Unit == nil {
				fault("%s has no unit", place)
			}
			if p.Description == nil || len(*p.Description) < 20 {
				fault("%s does not say what it shows", place)
			}
			if g := p.GridPos; g.W == 0 || g.H == 0 || g.X+g.W > 24 {
				fault("%s does not fit onto the board", place)
			}
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					if property.Id == "links" {
						for _, link := range property.Value.([]any) {
							leads(place, link.(map[string]any)["url"].(string))
						}
					}
				}
			}
		}
		if len(b.Links) == 0 {
			fault("%s links to no other board", file)
		}
		for _, link := range b.Links {
			if link.Type == dashboard.DashboardLinkTypeLink {
				leads(file, *link.Url)
				continue
			}
			for _, tag := range link.Tags {
				if !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(b *board) bool { return slices.Contains(b.Tags, tag) }) {
					fault("%s: no board has the tag %s", file, tag)
				}
			}
		}
		for _, q := range b.queries() {
			ref := sourceOf(q.target)
			if ref == nil {
				fault("%s: %T is a query of no known source", q.place, q.target)
				continue
			}
			if sources[*ref.Uid] != *ref.Type {
				fault("%s: there is no source %s of type %s", q.place, *ref.Uid, *ref.Type)
			}
			if *q.source.Uid != *ref.Uid {
				fault("%s: its query asks %s and not %s", q.place, *ref.Uid, *q.source.Uid)
			}
		}
	}
	slices.Sort(found)
	return found
}

// all are the shipped boards, by file name.
func all(t testing.TB) map[string]*board {
	t.Helper()
	read := map[string]*board{}
	for file, text := range shipped(t) {
		b, err := parse(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		read[file] = b
	}
	return read
}

func TestBoards(t *testing.T) {
	boards := all(t)
	if len(boards) != 5 {
		t.Errorf("%d boards", len(boards))
	}
	for _, fault := range faults(boards, provisioned(t)) {
		t.Error(fault)
	}
}
