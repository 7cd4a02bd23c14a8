package page

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// These bound everything that a test waits for, a process and what the page shows. They
// say that something hangs, not how fast it ought to be.
const (
	patience  = 3 * time.Minute
	attention = time.Minute
)

// world is what a page tells of: a database, and the Kafka that its streams read.
type world struct {
	testing.TB
	pg    *kit.Database
	kafka *kit.Broker // nil where none is needed; then nobody answers at its address
	env   []string
	last  string // what the last consume has printed
}

// newWorld has a migrated database, and no Kafka.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, pg: kit.Postgres(t)}
	w.env = []string{
		"POSTGRES_DSN=" + w.pg.DSN, "KAFKA_BROKERS=" + kit.FreeAddress(t),
		"TIDEMARK_STATE_DIR=" + filepath.Join(t.TempDir(), "state"),
	}
	w.run("db", "migrate")
	return w
}

// newPipeline has a Kafka with empty topics beside it.
func newPipeline(t testing.TB) *world {
	t.Helper()
	broker := kit.Kafka(t)
	broker.Reset(t, 0)
	w := newWorld(t)
	w.kafka = broker
	w.env = append(w.env, "KAFKA_BROKERS="+broker.Addr())
	w.run("topics", "create", "--partitions", "3")
	return w
}

// of is the world within a part of the test.
func (w *world) of(t testing.TB) *world {
	part := *w
	part.TB = t
	return &part
}

func (w *world) command(args ...string) kit.Command { return kit.Command{Args: args, Env: w.env} }

func (w *world) run(args ...string) string {
	w.Helper()
	return kit.MustRun(w, w.command(args...), patience).Stdout
}

// fill replays a folder of files as fast as it goes, and reads it to the end.
func (w *world) fill(dir string, args ...string) {
	w.Helper()
	w.run(append([]string{"produce", "--dataset-dir", dir, "--speed", "max"}, args...)...)
	w.last = w.run("consume", "--stop-at-end")
}

// generated is a folder with generated files.
func generated(t testing.TB, args ...string) string {
	t.Helper()
	dir := filepath.Join(kit.Scratch(t), "dataset")
	kit.MustRun(t, kit.Command{Args: append([]string{"generate", "--out", dir}, args...)}, patience)
	return dir
}

// dataset is the folder of the Olist files where they are, otherwise of generated ones.
func dataset(t testing.TB) string {
	t.Helper()
	if dir, found := kit.FindOlist(t); found {
		return dir
	}
	return generated(t, "--orders", "8000")
}

// exec changes the database.
func (w *world) exec(query string, args ...any) {
	w.Helper()
	if _, err := w.pg.DB.ExecContext(w.ctx(), query, args...); err != nil {
		w.Fatalf("%v: %s", err, query)
	}
}

// row is one row, its values as text by column; null is "".
func (w *world) row(query string, args ...any) map[string]string {
	w.Helper()
	rows := w.rows(query, args...)
	if len(rows) != 1 {
		w.Fatalf("%d rows: %s", len(rows), query)
	}
	return rows[0]
}

// rows are all rows of a query like that.
func (w *world) rows(query string, args ...any) []map[string]string {
	w.Helper()
	result, err := w.pg.DB.QueryContext(w.ctx(), query, args...)
	if err != nil {
		w.Fatalf("%v: %s", err, query)
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		w.Fatal(err)
	}
	var rows []map[string]string
	for result.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := result.Scan(targets...); err != nil {
			w.Fatal(err)
		}
		row := map[string]string{}
		for i, column := range columns {
			row[column] = values[i].String
		}
		rows = append(rows, row)
	}
	if err := result.Err(); err != nil {
		w.Fatalf("%v: %s", err, query)
	}
	return rows
}

// ctx ends a while before the test would hang.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	w.Cleanup(cancel)
	return ctx
}
