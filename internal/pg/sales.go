package pg

import (
	"context"
	"database/sql"
	"time"
)

// Sales are those of an hour, in currency units.
type Sales struct {
	Hour time.Time // its begin
	GMV  float64
}

// HourlySales reads the sales of each complete hour, as forecasts are made of them, in
// order and without gaps.
func HourlySales(ctx context.Context, db *sql.DB) ([]Sales, error) {
	rows, err := db.QueryContext(ctx, "select hour, gmv from hourly_gmv order by hour")
	if err != nil {
		return nil, explain("read the hourly sales", err)
	}
	defer rows.Close()
	var all []Sales
	for rows.Next() {
		var s Sales
		if err := rows.Scan(&s.Hour, &s.GMV); err != nil {
			return nil, explain("read the hourly sales", err)
		}
		s.Hour = s.Hour.UTC()
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, explain("read the hourly sales", err)
	}
	return all, nil
}
