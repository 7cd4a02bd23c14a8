package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/prometheus"
)

// pagesDir is where the pages lie in the repository, seen from here.
const pagesDir = "../../docs/components"

func TestPagesAreCurrent(t *testing.T) {
	want, err := render(service.GlobalEnvironment())
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 2 {
		t.Fatal("no component is registered")
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, err := os.ReadFile(filepath.Join(pagesDir, name))
		if err != nil || string(got) != string(want[name]) {
			t.Errorf("%s is stale: run make docs", name)
		}
	}
	found, err := filepath.Glob(filepath.Join(pagesDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if _, known := want[filepath.Base(path)]; !known {
			t.Errorf("%s belongs to no component: run make docs", filepath.Base(path))
		}
	}
}

func TestMetricsPageIsCurrent(t *testing.T) {
	want, err := prometheus.Page()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/prometheus.md")
	if err != nil || string(got) != string(want) {
		t.Error("docs/prometheus.md is stale: run make docs")
	}
}

// A stock component here would get a page among ours.
func TestOnlyOwnComponentsAreRegistered(t *testing.T) {
	service.GlobalEnvironment().WalkProcessors(func(name string, _ *service.ConfigView) {
		if name == "mapping" {
			t.Error("stock Benthos processors are imported, directly or by a plugin")
		}
	})
}

func TestEveryComponentIsExplained(t *testing.T) {
	pages, err := render(service.GlobalEnvironment())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range pages {
		if strings.Contains(string(text), "This field is missing documentation") {
			t.Errorf("%s: a field has no description", name)
		}
		if name != indexName && !strings.Contains(string(text), "## Examples") {
			t.Errorf("%s: no example", name)
		}
	}
}

func TestWrite(t *testing.T) {
	env := service.NewEmptyEnvironment()
	spec := service.NewConfigSpec().
		Summary("Counts things.").
		Description("Slowly,\n\n\n\nbut surely.  ").
		Field(service.NewStringField("name").Description("Whose.").Secret()).
		Field(service.NewStringEnumField("mode", "fast", "slow").Description("How.").Default("fast").Advanced()).
		Example("One", "Just one.", "pipeline:\n  processors:\n    - tally: { name: x }\n")
	err := env.RegisterProcessor("tally", spec, func(*service.ParsedConfig, *service.Resources) (service.Processor, error) {
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stale := filepath.Join(dir, "processor_gone.md")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, env); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Error("a page of a component that is gone was kept")
	}
	got, err := os.ReadFile(filepath.Join(dir, "processor_tally.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/processor_tally.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	index, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		t.Fatal(err)
	}
	if line := "| [`tally`](processor_tally.md) | processor | Counts things. |"; !strings.Contains(string(index), line) {
		t.Errorf("the index lacks %q:\n%s", line, index)
	}
}
