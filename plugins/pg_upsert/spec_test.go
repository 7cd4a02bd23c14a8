package pgupsert

import (
	"strings"
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

func lint(t *testing.T, yaml string) []service.Lint {
	t.Helper()
	lints, err := service.GlobalEnvironment().FullConfigSchema("", "").NewStreamConfigLinter().LintYAML([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return lints
}

func TestExamplesLint(t *testing.T) {
	for _, example := range []string{exampleWindows, exampleDeadLetters, examplePlain} {
		for _, l := range lint(t, example) {
			t.Errorf("%v in %s", l, example)
		}
	}
}

const lintBase = `
output:
  pg_upsert:
    dsn: postgres://localhost/db
    table: t
    key: [ id ]
    columns: [ id, v ]
`

// Each mistake is one line at lint, and the constructor refuses it too.
func TestLint(t *testing.T) {
	if lints := lint(t, lintBase); len(lints) != 0 {
		t.Fatal(lints)
	}
	for _, c := range []struct{ from, to, want string }{
		{"table: t", `table: ""`, "must not be empty"},
		{"key: [ id ]", "key: []", "key: is empty"},
		{"    key: [ id ]\n", "", "key: is empty"},
		{"columns: [ id, v ]", "columns: []", "columns: is empty"},
		{"columns: [ id, v ]", "columns: [ id, v, v ]", "columns: a name stands there twice"},
		{"columns: [ id, v ]", "columns: [ id, v, seq ]", "columns: stream, task and seq are written"},
		{"columns: [ id, v ]", "columns: [ v ]", "key: each of its names"},
		{"key: [ id ]", "key: [ stream, id ]", "key: stream and task are added"},
		{"table: t", "table: t\n    timestamp_column: v", "timestamp_column: has another source"},
		{"table: t", "table: t\n    ledger: false\n    task_key: false", "task_key: false has a meaning"},
		{"table: t", "table: t\n    max_in_flight: 0", "must be at least 1"},
		{"table: t", "table: t\n    batching: { count: 100 }", "batching needs a period"},
		{"table: t", "table: t\n    batching: { byte_size: 100 }", "batching needs a period"},
		{"table: t", "table: t\n    tabel: u", "field tabel not"},
	} {
		yaml := strings.Replace(lintBase, c.from, c.to, 1)
		lints := lint(t, yaml)
		if len(lints) == 0 || !strings.Contains(lints[0].Error(), c.want) {
			t.Errorf("%s: lints %v, want %q", c.to, lints, c.want)
		}
		if strings.Contains(c.want, "tabel") {
			continue
		}
		if _, err := construct(yaml, service.MockResources()); err == nil {
			t.Errorf("%s: the constructor takes it", c.to)
		}
	}
	for _, fine := range []string{
		"table: t\n    batching: { count: 100, period: 1s }",
		"table: t\n    batching: { count: 1 }",
		"table: t\n    task_key: false",
		"table: t\n    dead_letters: \"\"",
	} {
		yaml := strings.Replace(lintBase, "table: t", fine, 1)
		if lints := lint(t, yaml); len(lints) != 0 {
			t.Errorf("%s: %v", fine, lints)
		}
		if _, err := construct(yaml, service.MockResources()); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

// construct makes the output of a stream config.
func construct(yaml string, res *service.Resources) (*output, error) {
	_, inner, _ := strings.Cut(yaml, "pg_upsert:\n")
	conf, err := spec().ParseYAML(inner, nil)
	if err != nil {
		return nil, err
	}
	out, _, _, err := newFromConfig(conf, res)
	if err != nil {
		return nil, err
	}
	return out.(*output), nil
}
