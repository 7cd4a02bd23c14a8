package sales

import (
	"database/sql"
	"net/url"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

// database is one with all tables, and a source that reads it anew for each snapshot.
func database(t testing.TB) (*sql.DB, *Sales) {
	t.Helper()
	d := kit.Postgres(t)
	if _, err := pg.Migrate(t.Context(), d.DB); err != nil {
		t.Fatal(err)
	}
	reader, err := pg.NewReader(d.DSN, "test", func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	s := New(reader)
	s.age, s.share = 0, 0
	return d.DB, s
}

func run(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%v in %s", err, statement)
	}
}

func snapshot(t testing.TB, s *Sales, query string) *Snapshot {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Snapshot(t.Context(), values)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got.(*Snapshot)
}
