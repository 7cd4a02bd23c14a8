package sales

import (
	"context"
	"database/sql"

	"github.com/lib/pq"
)

// maxAlerts is how many open alerts are shown.
const maxAlerts = 50

// openAlerts are those that have fired and are not resolved, and how many there are.
func openAlerts(ctx context.Context, tx *sql.Tx) ([]Alert, int64, error) {
	rows, err := tx.QueryContext(ctx, `
	select
		alert_id::text, kind, order_status, window_start, window_end, dropped_orders, upper_limit::text, expected::text,
		unique_customers_affected, sample_order_ids, fired_at, count(*) over ()
	from v_open_alerts
	order by window_start desc, dropped_orders desc, order_status, kind
	limit $1`, maxAlerts)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	list, count := []Alert{}, int64(0)
	for rows.Next() {
		var a Alert
		var ids []sql.NullString
		err := rows.Scan(&a.ID, &a.Kind, &a.Status, &a.WindowStart, &a.WindowEnd, &a.Dropped, &a.Limit, &a.Expected,
			&a.Customers, pq.Array(&ids), &a.FiredAt, &count)
		if err != nil {
			return nil, 0, err
		}
		a.Samples = []string{}
		for _, id := range ids {
			if id.Valid {
				a.Samples = append(a.Samples, id.String)
			}
		}
		a.WindowStart, a.WindowEnd, a.FiredAt = a.WindowStart.UTC(), a.WindowEnd.UTC(), a.FiredAt.UTC()
		list = append(list, a)
	}
	return list, count, rows.Err()
}

// alertsWithin counts the alerts of windows in a span, open or resolved.
func alertsWithin(ctx context.Context, tx *sql.Tx, s span) (count int64, err error) {
	err = tx.QueryRowContext(ctx, "select count(*) from drop_off_alerts where window_start >= $1 and window_start < $2",
		timestamp(s.from), timestamp(s.to)).Scan(&count)
	return count, err
}
