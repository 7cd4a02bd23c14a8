package pg

import (
	"context"
	"database/sql"
	"fmt"
)

// truncate empties what streams have written. Alert rules belong to the user and stay.
const truncate = `
	truncate
		funnel_windows, drop_off_windows, gmv_windows, payment_windows,
		category_windows, seller_windows, state_windows, delivery_windows,
		dead_letter_events, gmv_forecast, drop_off_alerts, alert_deliveries, tidemark_tasks, tidemark_task_figures`

// Truncate deletes everything that streams have written: windows, dead letters,
// forecasts, the log of alerts, the ledger and the figures of tasks. It waits for the writes that are under way. Alert
// rules stay. A stream that runs on must be restarted, its state dropped.
func Truncate(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, truncate); err != nil {
		return explain("truncate", err)
	}
	return nil
}

// Removed says how many rows Cleanup took out of a table.
type Removed struct {
	Table string
	Rows  int64
}

// Cleanup deletes what is more than days (at least 0) older than the newest
// window, in data time, and reports every table that it looked at.
func Cleanup(ctx context.Context, db *sql.DB, days int) ([]Removed, error) {
	if days < 0 {
		return nil, fmt.Errorf("cleanup: the number of days to keep must not be negative, got %d", days)
	}
	rows, err := db.QueryContext(ctx, "select table_name, rows_deleted from cleanup_old_metrics($1)", days)
	if err != nil {
		return nil, explain("cleanup", err)
	}
	defer rows.Close()
	var removed []Removed
	for rows.Next() {
		var r Removed
		if err := rows.Scan(&r.Table, &r.Rows); err != nil {
			return nil, explain("cleanup", err)
		}
		removed = append(removed, r)
	}
	if err := rows.Err(); err != nil {
		return nil, explain("cleanup", err)
	}
	return removed, nil
}
