package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/bench/workload"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// resultTables are where an engine's rows are.
var resultTables = map[string][]string{
	report.Floor:    {"funnel", "gmv", "payments"},
	report.Tidemark: {"order_funnel", "order_gmv", "payment_totals"},
}

// results are views that make an engine's rows comparable with the oracle's.
var results = map[string]string{
	report.Floor: `create view got_funnel as select * from funnel;
create view got_gmv as select * from gmv;
create view got_payments as select * from payments`,

	// The rows of all tasks add up. A minute without items has no value.
	report.Tidemark: `create view got_funnel as
	select (extract(epoch from window_start) / 60)::bigint as minute, sum(total_orders)::bigint as total_orders,
		sum(orders_with_items)::bigint as orders_with_items, sum(orders_paid)::bigint as orders_paid
	from order_funnel group by window_start;
create view got_gmv as
	select (extract(epoch from window_start) / 60)::bigint as minute, (100 * sum(gmv))::bigint as cents
	from order_gmv group by window_start having sum(gmv) <> 0;
create view got_payments as
	select (extract(epoch from window_start) / 60)::bigint as minute, payment_type, sum(payments)::bigint as payments,
		(100 * sum(total_value))::bigint as cents
	from payment_totals group by window_start, payment_type`,
}

// database is a new one with the oracle's rows.
func (d *drains) database() *kit.Database {
	d.Helper()
	pg := d.emptyDatabase()
	d.expect(pg)
	return pg
}

// emptyDatabase is a new one on a server that keeps the time of commits.
func (d *drains) emptyDatabase() *kit.Database {
	d.Helper()
	pg := kit.Postgres(d)
	keepTime(d, pg)
	describe(d, pg)
	return pg
}

// expect writes the oracle's rows.
func (d *drains) expect(pg *kit.Database) {
	d.Helper()
	if err := d.oracle.Write(d.Context(), pg.DB); err != nil {
		d.Fatal(err)
	}
	d.exec(pg, "analyze; checkpoint")
}

func (d *drains) exec(pg *kit.Database, query string) {
	d.Helper()
	if _, err := pg.DB.ExecContext(d.Context(), query); err != nil {
		d.Fatal(err)
	}
}

// check ends the benchmark when a row of an engine is not as the oracle has it.
func (d *drains) check(pg *kit.Database, engine string) {
	d.Helper()
	if wrong := compare(d, pg, engine); len(wrong) > 0 {
		d.Fatalf("%s: %s", engine, strings.Join(wrong, "; "))
	}
}

// compare tells, for each table, how many rows are in the oracle's and not in the
// engine's, and the other way round.
func compare(tb testing.TB, pg *kit.Database, engine string) (wrong []string) {
	tb.Helper()
	if _, err := pg.DB.ExecContext(tb.Context(), results[engine]); err != nil {
		tb.Fatal(err)
	}
	for _, table := range []string{"funnel", "gmv", "payments"} {
		for _, q := range []struct{ what, of, less string }{
			{"missing or other", "oracle." + table, "got_" + table},
			{"not expected", "got_" + table, "oracle." + table},
		} {
			var rows, differ int
			query := "select (select count(*) from " + q.of + "), (select count(*) from (select * from " + q.of +
				" except all select * from " + q.less + ") d)"
			if err := pg.DB.QueryRowContext(tb.Context(), query).Scan(&rows, &differ); err != nil {
				tb.Fatal(err)
			}
			if rows == 0 || differ > 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %d of %d rows %s", table, differ, rows, q.what))
			}
		}
	}
	return wrong
}

// The checker sees a row that is wrong, missing or too many.
func TestCompare(t *testing.T) {
	oracle := makeWorkload(t, workload.Config{Events: 1000}, func(workload.Record) {})
	for name, c := range map[string]struct {
		change string
		wrong  int
	}{
		"nothing":         {"", 0},
		"another value":   {"update payments set cents = cents + 1 where minute = (select min(minute) from payments)", 2},
		"a row missing":   {"delete from funnel where minute = (select min(minute) from funnel)", 1},
		"a row too many":  {"insert into gmv values (1, 1)", 1},
		"nothing written": {"truncate funnel, gmv, payments", 6},
	} {
		t.Run(name, func(t *testing.T) {
			pg := kit.Postgres(t)
			if err := oracle.Write(t.Context(), pg.DB); err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{
				"create table funnel as select * from oracle.funnel",
				"create table gmv as select * from oracle.gmv",
				"create table payments as select * from oracle.payments",
				c.change,
			} {
				if _, err := pg.DB.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			if wrong := compare(t, pg, report.Floor); len(wrong) != c.wrong {
				t.Errorf("want %d differences, have %q", c.wrong, wrong)
			}
		})
	}
}
