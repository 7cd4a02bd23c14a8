package sales

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/embedpg"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

// filled is a database with an order, an item and payments of four types in each minute of
// so many days, in rows of three tasks, and dropped orders in eight statuses: two years
// are 19 million rows, a hundred times what the Olist orders make.
func filled(b *testing.B, days int) *pg.Reader {
	b.Helper()
	if dsn := os.Getenv("TIDEMARK_BENCH_DSN"); dsn != "" { // filled before
		return benchReader(b, dsn)
	}
	s, err := embedpg.Start(context.Background(), embedpg.Options{NoSync: true})
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(func() { _ = s.Stop() })
	db, err := pg.Open(b.Context(), s.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := pg.Migrate(b.Context(), db); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	const minutes = `generate_series(timestamptz '2018-09-01Z' - $1 * interval '24 hours', timestamptz '2018-08-31 23:59Z', interval '1 minute') as t,
		generate_series(0, 2) as task`
	fill(b, db, "funnel_windows", `insert into funnel_windows (stream, task, window_start, window_end, closes_at, total_orders, orders_with_items,
			orders_paid, orders_with_payment)
		select 'funnel', task, t, t + interval '1 minute', t + interval '169 hours', 3, 2, 2, 1 + task % 2 from `+minutes, days)
	fill(b, db, "gmv_windows", `insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, freight, item_count, unique_orders)
		select 'gmv', task, t, t + interval '1 minute', t + interval '3 minutes', 120.35, 15.10, 2, 1 from `+minutes, days)
	fill(b, db, "payment_windows", `insert into payment_windows (stream, task, window_start, window_end, closes_at, payment_type, payment_count, unique_orders,
			total_value, installments, max_installments, successful_orders)
		select 'payments', task, t, t + interval '1 minute', t + interval '3 minutes', kind, 1, 1, 60.25, 3, 3, 1 from `+minutes+
		`, unnest('{boleto,credit_card,debit_card,voucher}'::text[]) as kind`, days)
	fill(b, db, "drop_off_windows", `insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status, total_orders,
			complete_orders, dropped_orders, customers_affected, sample_order_ids)
		select 'funnel', task, t, t + interval '1 hour', t + interval '170 hours', 'status ' || n, 20, 17, 2, 2,
			array[md5(t::text || task || n), md5(n::text || task || t)]
		from generate_series(timestamptz '2018-09-01Z' - $1 * interval '24 hours', timestamptz '2018-08-31 23:00Z', interval '1 hour') as t,
			generate_series(0, 2) as task, generate_series(1, 8) as n`, days)
	for _, statement := range []string{
		`insert into tidemark_tasks (stream, task, generation, watermark)
			select s, t, 1, '2018-08-31 23:57Z' from unnest('{funnel,gmv,payments}'::text[]) as s, generate_series(0, 2) as t`,
		`insert into gmv_forecast select '2018-09-01Z', timestamptz '2018-09-01Z' + h * interval '1 hour', 10, 9, 11, 8, 12, 'm' from generate_series(0, 23) as h`,
		"vacuum analyze",
	} {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("filled in %v", time.Since(begun).Round(time.Second))
	return benchReader(b, s.DSN())
}

func benchReader(b *testing.B, dsn string) *pg.Reader {
	b.Helper()
	reader, err := pg.NewReader(dsn, "bench", func(line string) { b.Log(line) })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = reader.Close() })
	return reader
}

// fill fills a table, its indexes last.
func fill(b *testing.B, db *sql.DB, table, insert string, days int) {
	b.Helper()
	var key, index, by string
	err := db.QueryRowContext(b.Context(), `select c.conname, pg_get_constraintdef(c.oid), pg_get_indexdef((c.conrelid::regclass::text || '_by_time')::regclass)
		from pg_constraint as c where c.conrelid = $1::regclass and c.contype = 'p'`, table).Scan(&key, &by, &index)
	if err != nil {
		b.Fatal(err)
	}
	for _, statement := range []string{
		"alter table " + table + " set unlogged", "alter table " + table + " drop constraint " + key, "drop index " + table + "_by_time", insert,
		"alter table " + table + " add constraint " + key + " " + by, index,
	} {
		var args []any
		if statement == insert {
			args = []any{days}
		}
		if _, err := db.ExecContext(b.Context(), statement, args...); err != nil {
			b.Fatalf("%v in %s", err, statement)
		}
	}
}

// How long a snapshot takes beside two years of minutes, TIDEMARK_BENCH_DAYS=730: with
// what may have changed read before each of them, as the first one of a second does, and
// as another one of the same second. ms-median is the figure, ms-least the fastest.
func BenchmarkSnapshot(b *testing.B) {
	days := 730
	if text := os.Getenv("TIDEMARK_BENCH_DAYS"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	reader := filled(b, days)
	s := New(reader)
	s.age, s.share = 0, 0
	begun := time.Now()
	if _, err := s.Snapshot(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	b.Logf("everything loaded in %v", time.Since(begun).Round(time.Millisecond))
	for _, first := range []bool{true, false} {
		name := "refreshed/"
		if !first {
			name = "shared/"
		}
		for _, query := range []string{
			"range=1h", "range=6h", "range=24h&bucket=minute", "range=24h", "range=7d", "range=30d", "range=90d&bucket=hour", "range=90d", "range=1y", "range=all",
			"from=2017-05-04T00:00:00Z&to=2017-05-06T02:00:00Z&bucket=minute",
		} {
			b.Run(name+query, func(b *testing.B) {
				values, err := url.ParseQuery(query)
				if err != nil {
					b.Fatal(err)
				}
				s.age = 0
				if !first {
					s.age = time.Hour
				}
				var took []time.Duration
				for b.Loop() {
					begun := time.Now()
					if _, err := s.Snapshot(b.Context(), values); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(begun))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
				b.ReportMetric(float64(took[0].Microseconds())/1000, "ms-least")
				if s.view != nil {
					s.view.serves = 0
				}
			})
		}
	}
}
