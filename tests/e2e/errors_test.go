package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// mentions says whether one line of text holds all of parts, whatever their case.
func mentions(text string, parts ...string) bool {
	for line := range strings.Lines(strings.ToLower(text)) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, strings.ToLower(part))
		}
		if all {
			return true
		}
	}
	return false
}

// refused runs a command that has to fail and to say why in one line that holds
// all of parts.
func (p *pipeline) refused(c kit.Command, parts ...string) {
	p.Helper()
	r := kit.Run(p, c, patience)
	if r.Code == 0 {
		p.Error("exit code 0")
	}
	if !mentions(r.Output(), parts...) {
		p.Errorf("no line mentions all of %q", parts)
	}
	if strings.Contains(r.Output(), "goroutine ") {
		p.Error("stacks instead of a message")
	}
}

func TestWrongSettings(t *testing.T) {
	p := newPipeline(t, 1)
	dsn := func(change func(*url.URL)) string {
		u, err := url.Parse(p.pg.DSN)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return "POSTGRES_DSN=" + u.String()
	}
	for name, c := range map[string]struct {
		args  []string
		env   string
		parts []string
	}{
		"no such database": {
			[]string{"consume", "--stop-at-end"},
			dsn(func(u *url.URL) { u.Path = "/no_such_database" }), []string{"no_such_database"},
		},
		"wrong password": {
			[]string{"consume", "--stop-at-end"},
			dsn(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wrong") }), []string{"password"},
		},
		"unreadable DSN": {
			[]string{"consume", "--stop-at-end"}, "POSTGRES_DSN=postgres://a:b%zz@c/d", []string{"dsn", "postgres://user:password@host"},
		},
		"no dataset": {[]string{"produce", "--dataset-dir", "/no/such/folder"}, "", []string{"/no/such/folder"}},
		"no speed":   {produceArgs(dataset(t), "--speed", "fast"), "", []string{"speed", "max"}},
		"no flag":    {[]string{"produce", "--sped", "max"}, "", []string{"sped"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := *p
			q.TB = t
			command := q.command(c.args...)
			if c.env != "" {
				command.Env = append(command.Env, c.env)
			}
			q.refused(command, c.parts...)
		})
	}
}

// edited copies a shipped stream with a piece of its text replaced.
func edited(t testing.TB, stream, old, replacement string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kit.Root(t), "streams", stream))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not hold %q", stream, old)
	}
	path := filepath.Join(t.TempDir(), "edited.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, replacement)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWrongStream(t *testing.T) {
	p := newPipeline(t, 1)
	for name, c := range map[string]struct{ old, replacement, says string }{
		"topic":       {"olist.payments", "olist.paymentz", "olist.paymentz"},
		"schema path": {"payment.avsc", "no_such.avsc", "no_such.avsc"},
		"field name":  {"consumer_group:", "consumer_groop:", "consumer_groop"},
		"event field": {"key: event_id", "key: event_idd", "event_idd"},
		"table":       {"table: payment_windows", "table: no_such_table", "no_such_table"},
	} {
		t.Run(name, func(t *testing.T) {
			q := *p
			q.TB = t
			q.refused(q.command("run", edited(t, "analytics/payments.yaml", c.old, c.replacement)), c.says)
		})
	}
}

func TestShippedStreamsLintAndPassTheirTests(t *testing.T) {
	for _, command := range []string{"lint", "test"} {
		kit.MustRun(t, kit.Command{Args: []string{command, "./streams/..."}}, patience)
	}
}

// Outside a stateful input an operator has neither event time nor state.
func TestOperatorOutsideAStatefulInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outside.yaml")
	config := `
input:
  generate: { count: 1, mapping: 'root.id = "a"' }
pipeline:
  processors:
    - label: no_copies
      dedup: { key: id, ttl: 1h }
output:
  drop: {}
`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &pipeline{TB: t}
	p.refused(p.command("run", path), "no_copies", "stateful")
}
