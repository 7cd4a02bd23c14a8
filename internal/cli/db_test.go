package cli

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/embedpg"
)

// run runs a command of tidemark and returns what it printed and its error.
func run(t *testing.T, command *ucli.Command, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	app := &ucli.App{
		Name: "tidemark", Commands: []*ucli.Command{command}, Writer: &out, ErrWriter: &out,
		ExitErrHandler: func(*ucli.Context, error) {}, // or it would end the test
	}
	err := app.RunContext(t.Context(), append([]string{"tidemark", command.Name}, args...))
	return out.String(), err
}

// startPostgres starts a database without tables.
func startPostgres(t *testing.T) (dsn string) {
	t.Helper()
	server, err := embedpg.Start(context.Background(), embedpg.Options{})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("needs Postgres; install it (Debian: apt-get install postgresql): %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server.DSN()
}

func TestDBCommands(t *testing.T) {
	dsn := startPostgres(t)
	t.Setenv("POSTGRES_DSN", dsn)
	for _, c := range []struct {
		args       []string
		out, fails string
	}{
		{[]string{"latest"}, "", "tidemark db migrate"},
		{[]string{"migrate", "--wait", "1m"}, "applied 001_tables.sql\n", ""},
		{[]string{"migrate"}, "up to date\n", ""},
		{[]string{"latest"}, "Funnel", ""},
		{[]string{"complete", "--rows", "3"}, "Payments by type", ""},
		{[]string{"complete", "--rows", "0"}, "", "--rows must be at least 1"},
		{[]string{"alerts"}, "Alerts", ""},
		{[]string{"dimensions", "--rows", "3"}, "Categories, last 7 days of data", ""},
		{[]string{"truncate"}, "", "--yes"},
		{[]string{"truncate", "--yes"}, "empty", ""},
		{[]string{"truncate", "--help"}, "tidemark state reset", ""},
		{[]string{"cleanup", "--days", "7"}, "funnel_windows", ""},
		{[]string{"cleanup", "--days", "-1"}, "", "must not be negative"},
		{[]string{"latest", "--dsn", "nonsense"}, "", "connection string cannot be read"},
		{[]string{"migrate", "--wait", "1m", "--dsn", strings.Replace(dsn, "/tidemark?", "/missing?", 1)}, "", "does not exist"},
		{[]string{"--help"}, "tidemark db migrate", ""},
	} {
		out, err := run(t, dbCommand(), c.args...)
		switch {
		case c.fails == "" && err != nil:
			t.Errorf("db %v: %v", c.args, err)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "\n")):
			t.Errorf("db %v: %v, want one line with %q", c.args, err, c.fails)
		case !strings.Contains(out, c.out):
			t.Errorf("db %v printed %q, want %q", c.args, out, c.out)
		}
	}
}
