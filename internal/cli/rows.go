package cli

import (
	"context"
	"database/sql"
)

// ledgerTable has a row for each task of a stream that has ever written.
const ledgerTable = "tidemark_tasks"

// figuresTable has a row for each task of a stream that tells how it stands.
const figuresTable = "tidemark_task_figures"

// salesTable is what forecasts are made of.
const salesTable = "gmv_windows"

// streamTables hold the rows of streams. The ledger comes first: each write holds
// its row, so deleting it waits for those under way, and none can follow.
var streamTables = []string{
	ledgerTable, figuresTable, "funnel_windows", "drop_off_windows", salesTable, "payment_windows",
	"category_windows", "seller_windows", "state_windows", "delivery_windows", "dead_letter_events",
}

// deleteRows deletes all rows of a stream, its ledger included, or none. Tables
// that nobody has created hold none. Rows in other tables go when the stream starts
// anew: to its ledger, all that its task wrote there was never committed.
func deleteRows(ctx context.Context, db *sql.DB, stream string) (n int64, err error) {
	if ok, err := hasTables(ctx, db); err != nil || !ok {
		return 0, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after the commit there is nothing to roll back
	for _, t := range streamTables {
		result, err := tx.ExecContext(ctx, "delete from "+t+" where stream = $1", stream)
		if err != nil {
			return 0, err
		}
		deleted, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		n += deleted
		if t == salesTable && deleted > 0 {
			// Forecasts are of all sales together. Those made by rows that are gone, and come
			// again, are made anew.
			if result, err = tx.ExecContext(ctx, "delete from gmv_forecast"); err != nil {
				return 0, err
			}
			if deleted, err = result.RowsAffected(); err != nil {
				return 0, err
			}
			n += deleted
		}
	}
	return n, tx.Commit()
}

// hasLedger tells whether Postgres holds committed rows of a stream.
func hasLedger(ctx context.Context, db *sql.DB, stream string) (found bool, err error) {
	if ok, err := hasTables(ctx, db); err != nil || !ok {
		return false, err
	}
	err = db.QueryRowContext(ctx, "select exists (select from "+ledgerTable+" where stream = $1)", stream).Scan(&found)
	return found, err
}

func hasTables(ctx context.Context, db *sql.DB) (found bool, err error) {
	err = db.QueryRowContext(ctx, "select to_regclass($1) is not null", ledgerTable).Scan(&found)
	return found, err
}
