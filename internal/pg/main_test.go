package pg_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/embedpg"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

// server is the Postgres of all tests here; each test has a database of its own.
var server struct {
	sync.Mutex
	*embedpg.Server
	err       error
	databases int
}

func TestMain(m *testing.M) {
	code := m.Run()
	if server.Server != nil {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// emptyDSN names a new database.
func emptyDSN(t testing.TB) string {
	t.Helper()
	server.Lock()
	defer server.Unlock()
	if server.Server == nil && server.err == nil {
		server.Server, server.err = embedpg.Start(context.Background(), embedpg.Options{})
	}
	if server.err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(server.err)
		}
		t.Skipf("needs Postgres; install it (Debian: apt-get install postgresql): %v", server.err)
	}
	admin := open(t, server.DSN())
	server.databases++
	name := fmt.Sprintf("test_%d", server.databases)
	run(t, admin, "create database "+name)
	dsn, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.Path = name
	return dsn.String()
}

func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// migrated is a new database with all the tables.
func migrated(t testing.TB) *sql.DB {
	t.Helper()
	db, _ := migratedDSN(t)
	return db
}

// migratedDSN is the same, and what names it.
func migratedDSN(t testing.TB) (db *sql.DB, dsn string) {
	t.Helper()
	dsn = emptyDSN(t)
	db = open(t, dsn)
	if _, err := pg.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db, dsn
}

func run(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%v in %s", err, statement)
	}
}

// rows returns a query's result as text, one line per row, times in UTC.
func rows(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A zone with half hours, so that a view that leans on the session's fails.
	if _, err := conn.ExecContext(t.Context(), "set timezone = 'Asia/Kolkata'"); err != nil {
		t.Fatal(err)
	}
	result, err := conn.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	defer result.Close()
	names, err := result.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	for result.Next() {
		if err := result.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, cell := range cells {
			if !cell.Valid {
				cell.String = "null"
			}
			line = append(line, cell.String)
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func expect(t testing.TB, db *sql.DB, query string, want ...string) {
	t.Helper()
	got := rows(t, db, query)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\n got %s\nwant %s", query, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}
