// Package linttest checks what becomes of wrong configs of processors.
package linttest

import (
	"context"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// Lint checks what the linter says of processor configs: each text must be among
// the lints of its config, and the empty text stands for none at all.
func Lint(t *testing.T, configs map[string]string) {
	t.Helper()
	for config, want := range configs {
		lints, err := service.GlobalEnvironment().NewComponentConfigLinter().LintProcessorYAML([]byte(config))
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		var got []string
		for _, l := range lints {
			got = append(got, l.Error())
		}
		all := strings.Join(got, "\n")
		switch {
		case want == "" && all != "":
			t.Errorf("%s\nis refused: %s", config, all)
		case !strings.Contains(all, want):
			t.Errorf("%s\nlints: %q, want one with %q", config, got, want)
		}
	}
}

// Refused checks that a processor is refused wherever it is not driven by a stateful
// input, with a line that names it and says where it belongs.
func Refused(t *testing.T, name, config string) {
	t.Helper()
	const input, output = "input: { generate: { mapping: 'root = {}', count: 1 } }\n", "output: { drop: {} }\n"
	labelled := "{ label: mine, " + config + " }"
	for place, stream := range map[string]string{
		"pipeline.processors.0":                     input + output + "pipeline: { processors: [ " + labelled + " ] }",
		"pipeline.processors.1.branch.processors.0": input + output + "pipeline: { processors: [ { mapping: 'root = this' }, { branch: { processors: [ " + labelled + " ] } } ] }",
		"input.processors.0":                        output + "input: { generate: { mapping: 'root = {}', count: 1 }, processors: [ " + labelled + " ] }",
		"output.processors.0":                       input + "output: { drop: {}, processors: [ " + labelled + " ] }",
	} {
		b := service.NewStreamBuilder()
		b.DisableLinting()
		if err := b.SetLoggerYAML("level: none"); err != nil {
			t.Fatal(err)
		}
		if err := b.SetYAML(stream); err != nil {
			t.Fatalf("%s: %v", place, err)
		}
		s, err := b.Build()
		if err == nil {
			err = s.Run(context.Background())
		}
		want := "processor " + name + ` "mine": a stateful operator belongs in the field processors of a stateful input (input.stateful_kafka.processors or input.stateful.processors), not in ` + place
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("in %s: error %v, want one line with %q", place, err, want)
		}
	}
}
