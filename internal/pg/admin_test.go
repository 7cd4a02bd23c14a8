package pg_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

// fill writes one old and one new row into every table, 40 days apart.
const fill = `
	insert into funnel_windows (stream, task, window_start, window_end, closes_at, total_orders, orders_with_items, orders_with_payment, orders_paid)
	values ('f', 0, '2018-01-01Z', '2018-01-01 00:01Z', '2018-01-09Z', 4, 3, 2, 2),
		('f', 0, '2018-02-10Z', '2018-02-10 00:01Z', '2018-02-19Z', 1, 1, 1, 1);
	insert into drop_off_windows (stream, task, window_start, window_end, closes_at, order_status, total_orders, dropped_orders, sample_order_ids)
	values ('f', 0, '2018-01-01Z', '2018-01-01 01:00Z', '2018-01-09Z', 'canceled', 8, 7, '{a,b,c}'),
		('f', 0, '2018-02-10Z', '2018-02-10 01:00Z', '2018-02-19Z', 'canceled', 8, 7, '{a,b,c}');
	insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, item_count)
	values ('g', 0, '2018-01-01Z', '2018-01-01 00:01Z', '2018-01-09Z', 12.50, 2),
		('g', 0, '2018-02-10Z', '2018-02-10 00:01Z', '2018-02-19Z', 10.00, 1);
	insert into payment_windows (stream, task, window_start, window_end, closes_at, payment_type, payment_count, total_value, successful_orders)
	values ('p', 0, '2018-01-01Z', '2018-01-01 00:01Z', '2018-01-09Z', 'boleto', 3, 30.00, 3),
		('p', 0, '2018-02-11Z', '2018-02-11 00:01Z', '2018-02-19Z', 'boleto', 1, 5.00, 0);
	insert into category_windows (stream, task, window_start, window_end, closes_at, product_category, item_revenue, item_count)
	values ('d', 0, '2018-01-01Z', '2018-01-02Z', '2018-01-02Z', 'toys', 12.50, 2), ('d', 0, '2018-02-10Z', '2018-02-11Z', '2018-02-11Z', 'baby', 10.00, 1);
	insert into seller_windows (stream, task, window_start, window_end, closes_at, seller_id, seller_state, item_revenue, item_count)
	values ('d', 0, '2018-01-01Z', '2018-01-02Z', '2018-01-02Z', 's-old', 'PR', 12.50, 2), ('d', 0, '2018-02-10Z', '2018-02-11Z', '2018-02-11Z', 's-new', 'SP', 10.00, 1);
	insert into state_windows (stream, task, window_start, window_end, closes_at, customer_state, total_orders, orders_with_items, item_revenue)
	values ('d', 0, '2018-01-01Z', '2018-01-02Z', '2018-01-09Z', 'MG', 2, 1, 12.50), ('d', 0, '2018-02-10Z', '2018-02-11Z', '2018-02-18Z', 'MG', 1, 1, 10.00);
	insert into delivery_windows (stream, task, window_start, window_end, closes_at, customer_state, total_orders, delivered_orders, delivery_ms)
	values ('d', 0, '2018-01-01Z', '2018-01-02Z', '2018-01-02Z', 'AM', 2, 1, 86400000), ('d', 0, '2018-02-10Z', '2018-02-11Z', '2018-02-11Z', 'RJ', 1, 1, 129600000);
	insert into dead_letter_events (stream, topic, partition, "offset", event_time, reason, seen_at)
	values ('f', 't', 0, 1, '2018-01-01Z', 'late', '2018-02-10Z'), ('f', 't', 0, 2, '2018-02-10Z', 'orphan', '2018-01-01Z'),
		('f', 't', 0, 3, null, 'invalid', '2018-01-01Z'), ('f', 't', 0, 4, null, 'invalid', '2018-02-10Z');
	insert into gmv_forecast values ('2018-01-01Z', '2018-01-01Z', 1, 1, 1, 1, 1, 'm'), ('2018-01-01Z', '2018-02-10Z', 1, 1, 1, 1, 1, 'm');
	insert into drop_off_alerts (alert_id, kind, window_start, window_end, order_status, total_orders, dropped_orders,
		unique_customers_affected, sample_order_ids, upper_limit, fired_data_time, resolved_at, resolution)
	values ('00000000-0000-0000-0000-000000000001', 'threshold', '2018-01-01Z', '2018-01-01 01:00Z', 'canceled', 8, 7, 7, '{a}', 5, '2018-01-01Z', now(), 'passed'),
		('00000000-0000-0000-0000-000000000002', 'anomaly', '2018-01-01Z', '2018-01-01 01:00Z', 'canceled', 8, 7, 7, '{a}', 5, '2018-01-01Z', null, null),
		('00000000-0000-0000-0000-000000000003', 'threshold', '2018-02-10Z', '2018-02-10 01:00Z', 'canceled', 8, 7, 7, '{a}', 5, '2018-02-10Z', null, null);
	insert into alert_deliveries (alert_id, event, destination) values ('00000000-0000-0000-0000-000000000001', 'fired', 'log');
	insert into tidemark_tasks (stream, task, generation) values ('f', 0, 1);
	insert into tidemark_task_figures (stream, task, generation, figures, updated_at) values ('f', 0, 1, '{}', '2018-01-01Z')`

func TestCleanup(t *testing.T) {
	db := migrated(t)
	// Without windows there is no data time.
	run(t, db, `insert into dead_letter_events (stream, topic, partition, "offset", reason) values ('f', 'u', 0, 1, 'invalid')`)
	expect(t, db, "select table_name, rows_deleted from cleanup_old_metrics(0)",
		"funnel_windows|0", "drop_off_windows|0", "gmv_windows|0", "payment_windows|0",
		"category_windows|0", "seller_windows|0", "state_windows|0", "delivery_windows|0", "dead_letter_events|0", "gmv_forecast|0", "drop_off_alerts|0")
	run(t, db, "truncate dead_letter_events")

	run(t, db, fill)
	// The newest window of all, a payment's, starts on 11 February: 41 days on.
	removed, err := pg.Cleanup(t.Context(), db, 41)
	if err != nil || slices.ContainsFunc(removed, func(r pg.Removed) bool { return r.Rows != 0 }) {
		t.Errorf("41 days: %v, %v, want nothing removed", removed, err)
	}
	removed, err = pg.Cleanup(t.Context(), db, 40)
	want := []pg.Removed{
		{"funnel_windows", 1}, {"drop_off_windows", 1}, {"gmv_windows", 1}, {"payment_windows", 1},
		{"category_windows", 1}, {"seller_windows", 1}, {"state_windows", 1}, {"delivery_windows", 1},
		{"dead_letter_events", 2}, {"gmv_forecast", 1}, {"drop_off_alerts", 1},
	}
	if err != nil || !slices.Equal(removed, want) {
		t.Errorf("40 days: %v, %v, want %v", removed, err, want)
	}
	expect(t, db, `select "offset" from dead_letter_events order by 1`, "2", "4")
	expect(t, db, "select sum(rows_deleted) from cleanup_old_metrics()", "0")
	// How tasks stand is no matter of age.
	expect(t, db, "select count(*) from tidemark_tasks join tidemark_task_figures using (stream, task)", "1")

	if _, err := pg.Cleanup(t.Context(), db, -1); err == nil {
		t.Error("a negative number of days was accepted")
	}
	if _, err := db.ExecContext(t.Context(), "select cleanup_old_metrics(-1)"); !pg.Permanent(err) {
		t.Errorf("a negative number of days in SQL: %v", err)
	}
}

func TestTruncate(t *testing.T) {
	db := migrated(t)
	run(t, db, fill)
	run(t, db, "update alert_rules set threshold = 9")
	if err := pg.Truncate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{
		"funnel_windows", "drop_off_windows", "gmv_windows", "payment_windows",
		"category_windows", "seller_windows", "state_windows", "delivery_windows", "dead_letter_events", "gmv_forecast",
		"drop_off_alerts", "alert_deliveries", "tidemark_tasks", "tidemark_task_figures",
	} {
		expect(t, db, "select count(*) from "+table, "0")
	}
	expect(t, db, "select order_status, threshold from alert_rules", "*|9")
}

func TestReports(t *testing.T) {
	db := migrated(t)
	var empty strings.Builder
	if err := pg.PrintTables(t.Context(), db, &empty); err != nil {
		t.Fatal(err)
	}
	run(t, db, fill)
	var tables, latest, complete, alerts, dimensions strings.Builder
	for _, err := range []error{
		pg.PrintTables(t.Context(), db, &tables),
		pg.Latest(t.Context(), db, &latest, 10),
		pg.Complete(t.Context(), db, &complete, 1),
		pg.Alerts(t.Context(), db, &alerts, 10),
		pg.Dimensions(t.Context(), db, &dimensions, 10),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		out        string
		with, none []string
	}{
		"empty":    {empty.String(), []string{"Funnel\n", "(none)", "0.00"}, nil},
		"tables":   {tables.String(), []string{"threshold", "open", "resolved", "22.50", "boleto", "35.00", "75.00", "canceled", "87.50", "orphan", "2018-02-10 00:00:00"}, nil},
		"latest":   {latest.String(), []string{"2018-02-10 00:00:00"}, []string{"2018-01-01"}},
		"complete": {complete.String(), []string{"2018-02-10 00:00:00", "22.50", "10.00", "boleto"}, []string{"2018-01-01"}},
		"dimensions": {
			dimensions.String(), []string{"baby", "100.00", "s-new", "MG", "22.50", "RJ", "1.50"}, []string{"toys", "s-old", "AM"},
		},
		"alerts": {alerts.String(), []string{"canceled", "a b c", "Open alerts", "anomaly", "Resolved alerts"}, []string{"Resolved alerts\n  (none)"}},
	} {
		for _, text := range c.with {
			if !strings.Contains(c.out, text) {
				t.Errorf("%s lacks %q:\n%s", name, text, c.out)
			}
		}
		for _, text := range c.none {
			if strings.Contains(c.out, text) {
				t.Errorf("%s has %q:\n%s", name, text, c.out)
			}
		}
	}
	if testing.Verbose() {
		t.Log("\n" + tables.String() + complete.String() + alerts.String() + dimensions.String())
	}
}
