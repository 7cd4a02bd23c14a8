package pg_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/console"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

// look returns the rows of a look by the name of their table.
func look(t *testing.T, l *pg.Looker) (v console.View, tables map[string]console.Table) {
	t.Helper()
	v, err := l.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tables = map[string]console.Table{}
	for _, table := range v.Tables {
		for _, r := range table.Rows {
			if len(r.Cells) != len(table.Columns) {
				t.Errorf("%s: %d cells, %d columns", table.Name, len(r.Cells), len(table.Columns))
			}
		}
		tables[table.Name] = table
	}
	return v, tables
}

func TestLook(t *testing.T) {
	db, dsn := migratedDSN(t)
	l, err := pg.NewLooker(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if v, tables := look(t, l); len(v.Streams) != 0 || len(tables) != 4 || len(tables["funnel"].Rows) != 0 {
		t.Errorf("an empty database: %+v", v)
	}
	run(t, db, `insert into tidemark_tasks (stream, task, generation, committed_seq, watermark) values
		('f', 0, 1, 7, '2018-01-03 10:09Z'), ('f', 1, 1, 5, '2018-01-03 10:08Z'), ('f', 2, 1, 0, null),
		('g', 0, 1, 3, 'infinity'), ('new', 0, 1, 0, null)`)
	run(t, db, `insert into funnel_windows (stream, task, window_start, window_end, closes_at, total_orders, orders_with_items, orders_paid, orders_with_payment)
		values ('f', 0, '2018-01-03 10:00Z', '2018-01-03 10:01Z', '2018-01-03 10:02Z', 2, 1, 1, 1),
			('f', 1, '2018-01-03 10:00Z', '2018-01-03 10:01Z', '2018-01-03 10:02Z', 1, 1, 0, 0)`)
	run(t, db, `insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status, total_orders, dropped_orders)
		values ('f', 0, '2018-01-03 10:00Z', '2018-01-03 11:00Z', '2018-01-10 11:00Z', 'delivered', 9, 0),
			('f', 0, '2018-01-03 10:00Z', '2018-01-03 11:00Z', '2018-01-10 11:00Z', 'canceled', 3, 3),
			('f', 1, '2018-01-03 10:00Z', '2018-01-03 11:00Z', '2018-01-10 11:00Z', 'canceled', 3, 3)`)
	run(t, db, `insert into payment_windows (stream, task, window_start, window_end, closes_at, payment_type, payment_count, total_value, successful_orders)
		values ('p', 0, '2018-01-03 09:00Z', '2018-01-03 09:01Z', '2018-01-03 09:01Z', 'boleto', 100, 100, 100),
			('p', 0, '2018-01-03 09:01Z', '2018-01-03 09:02Z', '2018-01-03 09:01Z', 'boleto', 2, 5, 1),
			('p', 0, '2018-01-03 10:00Z', '2018-01-03 10:01Z', '2018-01-03 10:01Z', 'credit_card', 1, 9.5, 1)`)
	v, tables := look(t, l)
	at := time.Date(2018, 1, 3, 10, 0, 0, 0, time.UTC)
	for name, want := range map[string]string{
		"funnel":   "10:00  [3 2 1 66.67 33.33 1 1 yes] false",
		"gmv":      "",
		"drop_off": "10:00 canceled [6 6 0 40.00 0] true, 10:00 delivered [9 0 9 0.00 0] false",
		"payments": " credit_card [1 9.50 9.50 100.00] false,  boleto [2 5.00 2.50 50.00] false",
	} {
		var got []string
		for _, r := range tables[name].Rows {
			window := ""
			if !r.Window.IsZero() {
				window = r.Window.UTC().Format("15:04")
			}
			got = append(got, fmt.Sprint(window, " ", r.Group, " ", r.Cells, " ", r.Alert))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: %s, want %s", name, text, want)
		}
	}
	s := v.Streams
	if len(s) != 3 || s[0].Rows != 12 || !s[0].Watermark.Equal(at.Add(8*time.Minute)) || !s[1].Ended || s[2].Ended || !s[2].Watermark.IsZero() {
		t.Errorf("%+v", s)
	}

	// Windows that come and go between two looks are counted.
	run(t, db, `insert into funnel_windows (stream, task, window_start, window_end, closes_at)
		select 'f', task, at, at + interval '1 minute', at + interval '1 minute'
		from generate_series(0, 2) as task, generate_series(timestamptz '2018-01-03 10:01Z', '2018-01-03 11:40Z', '1 minute') as at`)
	_, tables = look(t, l)
	if f := tables["funnel"]; len(f.Rows) != 40 || f.Unseen != 60 || !f.Rows[0].Window.Equal(at.Add(100*time.Minute)) {
		t.Errorf("%d rows, %d unseen", len(f.Rows), f.Unseen)
	}
	if _, tables = look(t, l); tables["funnel"].Unseen != 0 {
		t.Errorf("%d unseen, though nothing has come", tables["funnel"].Unseen)
	}
	// It holds one connection, however often it looks.
	expect(t, db, "select count(*) from pg_stat_activity where application_name = 'tidemark-console' and datname = current_database()", "1")
}

func TestLookErrors(t *testing.T) {
	if _, err := pg.NewLooker("postgres://a:b%zz@c/d", false); err == nil {
		t.Error("an unreadable connection string is taken")
	}
	for dsn, want := range map[string]string{
		emptyDSN(t): "does not exist", // the views
		"postgres://u:secret@127.0.0.1:1/d?sslmode=disable": "Postgres at 127.0.0.1:1/d: not reachable",
	} {
		l, err := pg.NewLooker(dsn, false)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Look(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
