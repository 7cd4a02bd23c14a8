package pg

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/tidemark-streams/tidemark/internal/console"
)

// lookRows is how many of the newest rows of each table a look brings.
const lookRows = 40

// lookTable is a table of the console and the query that it shows: window_start, the
// group, whether there is an alert, then the cells.
type lookTable struct {
	console.Table
	windows string // the table whose windows are counted, empty where rows are of no single window
	query   string
}

var lookTables = []lookTable{
	{
		console.Table{Name: "funnel", Columns: []console.Column{
			{Name: "orders"}, {Name: "with_items"}, {Name: "with_payment"},
			{Name: "items_rate", Title: "items %"}, {Name: "payment_rate", Title: "payment %"},
			{Name: "no_items"}, {Name: "no_payment"}, {Name: "final"},
		}},
		"funnel_windows", `
	select
		window_start, '', false, total_orders, orders_with_items, orders_with_payment,
		items_conversion_rate, payment_conversion_rate, dropped_after_order, dropped_after_items, is_final
	from real_time_funnel` + newestWindows("funnel_windows") + `
	order by window_start desc limit $1`,
	},
	{
		console.Table{Name: "gmv", Columns: []console.Column{
			{Name: "gmv"}, {Name: "items"}, {Name: "orders"}, {Name: "avg_item_price"}, {Name: "final"},
		}},
		"gmv_windows", `
	select window_start, '', false, gmv, item_count, unique_orders, avg_item_price, is_final
	from gmv_metrics` + newestWindows("gmv_windows") + `
	order by window_start desc limit $1`,
	},
	{
		console.Table{Name: "drop_off", Title: "drop-off", Group: "order_status", Columns: []console.Column{
			{Name: "orders"}, {Name: "dropped"}, {Name: "pending"}, {Name: "drop_rate", Title: "drop %"}, {Name: "customers"},
		}},
		"drop_off_windows", `
	select
		window_start, order_status, alert_triggered, total_orders, dropped_orders, pending_orders, drop_rate,
		unique_customers_affected
	from drop_off_analysis` + newestWindows("drop_off_windows") + `
	order by window_start desc, dropped_orders desc, total_orders desc, order_status limit $1`,
	},
	{
		console.Table{Name: "payments", Title: "payments, last hour", Group: "payment_type", Columns: []console.Column{
			{Name: "payments"}, {Name: "total_value"}, {Name: "avg_value"}, {Name: "success_rate", Title: "success %"},
		}},
		"", `
	select null::timestamptz, payment_type, false, total_transactions, total_value, avg_value, avg_success_rate
	from v_payment_performance
	order by total_value desc, payment_type limit $1`,
	},
}

const lookStreams = `
	select
		stream,
		case when isfinite(min(watermark)) then min(watermark) end,
		coalesce(min(watermark) = 'infinity', false),
		sum(committed_seq)::bigint
	from tidemark_tasks
	group by stream
	order by stream`

// Looker reads for a console what the streams of all processes have written. It holds at
// most one connection, only reads, and asks for the newest windows, so that a look takes
// Postgres a few milliseconds however much there is.
type Looker struct {
	db     *sql.DB
	target string
	unseen bool
	newest map[string]time.Time // by table, in the look before
}

// NewLooker makes a looker on the database that dsn names; it connects when it looks.
// With unseen, it counts the windows that have come and gone between two looks.
func NewLooker(dsn string, unseen bool) (*Looker, error) {
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.ApplicationName = appName + "-console"
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, &openError{target: target(cfg), err: err}
	}
	l := &Looker{db: sql.OpenDB(connector), target: target(cfg), unseen: unseen, newest: map[string]time.Time{}}
	l.db.SetMaxOpenConns(1)
	return l, nil
}

// Close ends the connection.
func (l *Looker) Close() error { return l.db.Close() }

// Look reads everything as of one moment. The error is one line, as that of Open.
func (l *Looker) Look(ctx context.Context) (console.View, error) {
	v, err := l.look(ctx)
	if err != nil {
		return console.View{}, &openError{target: l.target, err: err}
	}
	return v, nil
}

func (l *Looker) look(ctx context.Context) (v console.View, err error) {
	tx, err := l.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return v, err
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	if v.Streams, err = l.streams(ctx, tx); err != nil {
		return v, err
	}
	newest := map[string]time.Time{}
	for _, lt := range lookTables {
		t := lt.Table
		if t.Rows, err = lookAt(ctx, tx, lt.query, len(t.Columns)); err != nil {
			return v, fmt.Errorf("reading %s: %w", t.Name, err)
		}
		if n := len(t.Rows); n > 0 && lt.windows != "" {
			newest[t.Name] = t.Rows[0].Window
			before, oldest := l.newest[t.Name], t.Rows[n-1].Window
			if l.unseen && !before.IsZero() && before.Before(oldest) {
				err = tx.QueryRowContext(ctx,
					"select count(distinct window_start) from "+lt.windows+" where window_start > $1 and window_start < $2",
					before, oldest).Scan(&t.Unseen)
				if err != nil {
					return v, err
				}
			}
		}
		v.Tables = append(v.Tables, t)
	}
	l.newest = newest
	return v, nil
}

func (l *Looker) streams(ctx context.Context, tx *sql.Tx) (list []console.Stream, err error) {
	rows, err := tx.QueryContext(ctx, lookStreams)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s console.Stream
		var watermark sql.NullTime
		if err := rows.Scan(&s.Name, &watermark, &s.Ended, &s.Rows); err != nil {
			return nil, err
		}
		s.Watermark = watermark.Time
		list = append(list, s)
	}
	return list, rows.Err()
}

func lookAt(ctx context.Context, tx *sql.Tx, query string, columns int) (list []console.Row, err error) {
	rows, err := tx.QueryContext(ctx, query, lookRows)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	const leading = 3
	cells := make([]any, columns)
	for rows.Next() {
		var r console.Row
		var window sql.NullTime
		into := []any{&window, &r.Group, &r.Alert}
		for i := range cells {
			into = append(into, &cells[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r.Window = window.Time
		for i, cell := range cells {
			r.Cells = append(r.Cells, format(cell, types[leading+i].DatabaseTypeName()))
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
