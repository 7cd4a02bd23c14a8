package pg_test

import (
	"database/sql"
	"net/url"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

// databaseOf names db's database for another user.
func databaseOf(t *testing.T, db *sql.DB, user, password string) string {
	t.Helper()
	dsn, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.UserPassword(user, password)
	dsn.Path = rows(t, db, "select current_database()")[0]
	return dsn.String()
}

func TestOpenRefused(t *testing.T) {
	good := emptyDSN(t)
	for name, c := range map[string]struct {
		change func(*url.URL)
		want   string
	}{
		"password": {func(u *url.URL) { u.User = url.UserPassword("tidemark", "s3cret") }, "password authentication failed"},
		"user":     {func(u *url.URL) { u.User = url.UserPassword("stranger", "s3cret") }, "authentication failed"},
		"database": {func(u *url.URL) { u.Path = "missing" }, `database "missing" does not exist`},
		"tls":      {func(u *url.URL) { u.RawQuery = "sslmode=require" }, "add sslmode=disable"},
		"setting":  {func(u *url.URL) { u.RawQuery += "&colour=blue" }, "unrecognized configuration parameter"},
	} {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		c.change(u)
		// Wait has to give up at once: the test would hang.
		_, err = pg.Wait(t.Context(), u.String(), func(line string) { t.Errorf("%s: logged %q", name, line) })
		if err == nil || !pg.Permanent(err) {
			t.Errorf("%s: %v, want a permanent error", name, err)
			continue
		}
		line := err.Error()
		if !strings.Contains(line, c.want) || !strings.Contains(line, u.Host) || strings.Contains(line, "\n") {
			t.Errorf("%s: %q, want one line with %q", name, line, c.want)
		}
		if strings.Contains(line, "s3cret") {
			t.Errorf("%s: the error tells the password: %q", name, line)
		}
	}
}

func TestUnmigrated(t *testing.T) {
	db := open(t, emptyDSN(t))
	var out strings.Builder
	for name, err := range map[string]error{
		"latest":   pg.Latest(t.Context(), db, &out, 1),
		"tables":   pg.PrintTables(t.Context(), db, &out),
		"truncate": pg.Truncate(t.Context(), db),
		"cleanup":  func() error { _, err := pg.Cleanup(t.Context(), db, 1); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "tidemark db migrate") {
			t.Errorf("%s before migrate: %v", name, err)
		}
	}
}
