// Package docs checks what the documentation shows.
package docs

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/tidemark-streams/tidemark/plugins"
)

// Every example of a component is a config that lints.
func TestExamplesLint(t *testing.T) {
	env := service.GlobalEnvironment()
	linter := env.FullConfigSchema("", "").NewStreamConfigLinter().
		SetEnvVarLookupFunc(func(context.Context, string) (string, bool) { return "value", true })
	walks := map[string]func(func(string, *service.ConfigView)){
		"input": env.WalkInputs, "processor": env.WalkProcessors, "output": env.WalkOutputs,
	}
	for kind, walk := range walks {
		ours := map[string]bool{}
		pages, err := filepath.Glob("../../docs/components/" + kind + "_*.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(page), kind+"_"), ".md")
			ours[name] = true
		}
		if len(ours) == 0 {
			t.Errorf("no page of any %s: run make docs", kind)
		}
		walk(func(name string, view *service.ConfigView) {
			if !ours[name] {
				return
			}
			data, err := view.TemplateData()
			if err != nil {
				t.Fatal(err)
			}
			for _, example := range data.Examples {
				lints, err := linter.LintYAML([]byte(example.Config))
				if err != nil {
					t.Errorf("%s %s, example %q: %v", kind, name, example.Title, err)
				}
				for _, lint := range lints {
					t.Errorf("%s %s, example %q: %v", kind, name, example.Title, lint)
				}
			}
		})
	}
}
