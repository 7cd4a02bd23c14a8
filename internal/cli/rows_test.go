package cli

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/pg"
	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := pg.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// written puts a row of a stream into each of its tables.
func written(t *testing.T, db *sql.DB, stream string) {
	t.Helper()
	for _, statement := range []string{
		`insert into funnel_windows (stream, task, window_start, window_end, closes_at) values ($1, 0, now(), now(), now())`,
		`insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status) values ($1, 0, now(), now(), now(), 'created')`,
		`insert into gmv_windows (stream, task, window_start, window_end, closes_at) values ($1, 0, now(), now(), now())`,
		`insert into payment_windows (stream, task, window_start, window_end, closes_at, payment_type) values ($1, 0, now(), now(), now(), 'boleto')`,
		`insert into category_windows (stream, task, window_start, window_end, closes_at, product_category) values ($1, 0, now(), now(), now(), 'toys')`,
		`insert into seller_windows (stream, task, window_start, window_end, closes_at, seller_id) values ($1, 0, now(), now(), now(), 's')`,
		`insert into state_windows (stream, task, window_start, window_end, closes_at, customer_state) values ($1, 0, now(), now(), now(), 'SP')`,
		`insert into delivery_windows (stream, task, window_start, window_end, closes_at, customer_state) values ($1, 0, now(), now(), now(), 'SP')`,
		`insert into dead_letter_events (stream, topic, partition, "offset", reason) values ($1, 't', 0, 1, 'late')`,
		`insert into tidemark_tasks (stream, task, generation) values ($1, 0, 3)`,
		`insert into tidemark_task_figures (stream, task, generation, figures) values ($1, 0, 3, '{}')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement, stream); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// tablesWith counts the tables with a row of a stream.
func tablesWith(t *testing.T, db *sql.DB, stream string) (n int) {
	t.Helper()
	for _, table := range streamTables {
		var found bool
		if err := db.QueryRowContext(t.Context(), "select exists (select from "+table+" where stream = $1)", stream).Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found {
			n++
		}
	}
	return n
}

func TestStateResetDeletesRows(t *testing.T) {
	dsn := startPostgres(t)
	db := open(t, dsn)
	cluster, client := fakeKafka(t)
	reset := func(want string, args ...string) {
		t.Helper()
		out, err := run(t, stateCommand(), append([]string{"reset", "--yes", "--consumer-group", "a", "--state-dir", t.TempDir(),
			"--brokers", cluster.ListenAddrs()[0], "--dsn", dsn}, args...)...)
		if err != nil || out != want {
			t.Fatalf("%q, %v, want %q", out, err, want)
		}
	}
	reset("a: nothing to delete\n") // there are no tables yet
	if _, err := pg.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	written(t, db, "a")
	written(t, db, "b")
	reset("a: nothing to delete\n", "--no-postgres")
	if n := tablesWith(t, db, "a"); n != len(streamTables) {
		t.Errorf("--no-postgres left rows in %d tables", n)
	}
	resetFails(t, cluster, client, db, dsn)
	reset("a: deleted 11 rows\n")
	if n := tablesWith(t, db, "a"); n > 0 {
		t.Errorf("%d tables have rows of a", n)
	}
	if n := tablesWith(t, db, "b"); n != len(streamTables) {
		t.Errorf("%d tables have rows of b", n)
	}
	reset("a: nothing to delete\n")
	everyTable(t, db)
}

// resetFails takes a table away: the state goes first, the rows stay all or none,
// what was done is told, and the next reset can go on.
func resetFails(t *testing.T, cluster *kfake.Cluster, client *kgo.Client, db *sql.DB, dsn string) {
	t.Helper()
	if err := cluster.CreateTopic(olistcsv.TopicItems, 1, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	past(t, client, dir, "a")
	rename := func(from, to string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), "alter table "+from+" rename to "+to); err != nil {
			t.Fatal(err)
		}
	}
	rename("dead_letter_events", "elsewhere")
	out, err := run(t, stateCommand(), "reset", "--yes", "--consumer-group", "a", "--state-dir", dir, "--brokers", cluster.ListenAddrs()[0], "--dsn", dsn)
	if err == nil || !strings.HasPrefix(err.Error(), "a: delete its rows: ") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	if want := "a: deleted its offsets, topic a-changelog, folder " + filepath.Join(dir, "a") + "\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	rename("elsewhere", "dead_letter_events")
	if n := tablesWith(t, db, "a"); n != len(streamTables) || left(t, client, dir, "a") != "" {
		t.Errorf("rows in %d tables, and %q", n, left(t, client, dir, "a"))
	}
}

// everyTable makes sure that no table with rows of streams is forgotten here.
func everyTable(t *testing.T, db *sql.DB) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `select c.table_name from information_schema.columns c
		join information_schema.tables t using (table_schema, table_name)
		where c.column_name = 'stream' and t.table_type = 'BASE TABLE' and table_schema = 'public'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(streamTables, " ")+" ", name+" ") {
			t.Errorf("%s holds rows of streams", name)
		}
	}
	if err := rows.Err(); err != nil || n == 0 {
		t.Error(n, err)
	}
}
