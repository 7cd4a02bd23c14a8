package golden

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Load reads the rows of every view from Postgres. A view or column that is not
// there is an error that names the view.
func Load(ctx context.Context, db *sql.DB) (Tables, error) { return load(ctx, db, Views()) }

func load(ctx context.Context, db *sql.DB, views []View) (Tables, error) {
	t := Tables{}
	for _, v := range views {
		rows, err := v.load(ctx, db)
		if err != nil {
			return nil, fmt.Errorf("load view %s: %w", v.Name, err)
		}
		t[v.Name] = rows
	}
	return t, nil
}

// query lets Postgres write every value as text, so that no type is converted on the way.
func (v View) query() string {
	exprs := make([]string, len(v.Columns))
	for i, c := range v.Columns {
		switch c.kind {
		case instant:
			exprs[i] = fmt.Sprintf(`to_char(%s at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`, c.Name)
		case list:
			exprs[i] = fmt.Sprintf("array_to_json(%s)::text", c.Name)
		case number, flag, text:
			exprs[i] = c.Name + "::text"
		}
	}
	return "select " + strings.Join(exprs, ", ") + " from " + v.Name
}

func (v View) load(ctx context.Context, db *sql.DB) ([]Row, error) {
	found, err := db.QueryContext(ctx, v.query())
	if err != nil {
		return nil, err
	}
	defer found.Close()

	values := make([]sql.NullString, len(v.Columns))
	targets := make([]any, len(values))
	for i := range values {
		targets[i] = &values[i]
	}
	var rows []Row
	for found.Next() {
		if err := found.Scan(targets...); err != nil {
			return nil, err
		}
		row := make(Row, len(values))
		for i, c := range v.Columns {
			switch {
			case !values[i].Valid:
				row[i] = "NULL"
			case c.kind == number:
				row[i] = canonicalNumber(values[i].String)
			default:
				row[i] = values[i].String
			}
		}
		rows = append(rows, row)
	}
	return rows, found.Err()
}
