package pg

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lib/pq"
)

// table is a query's result as text.
type table struct {
	header []string
	right  []bool // numbers stand to the right
	rows   [][]string
}

func query(ctx context.Context, db *sql.DB, text string, args ...any) (*table, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	t := &table{}
	for _, c := range types {
		t.header = append(t.header, c.Name())
		t.right = append(t.right, numeric(c.DatabaseTypeName()))
	}
	cells, into := make([]any, len(types)), make([]any, len(types))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		line := make([]string, len(cells))
		for i, cell := range cells {
			line[i] = format(cell, types[i].DatabaseTypeName())
		}
		t.rows = append(t.rows, line)
	}
	return t, rows.Err()
}

func numeric(dbType string) bool {
	switch dbType {
	case "INT2", "INT4", "INT8", "NUMERIC", "FLOAT4", "FLOAT8":
		return true
	}
	return false
}

func format(cell any, dbType string) string {
	switch v := cell.(type) {
	case nil:
		return "-"
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05")
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case int64:
		return strconv.FormatInt(v, 10)
	case []byte:
		if dbType == "_TEXT" {
			var list pq.StringArray
			if err := list.Scan(v); err == nil {
				return strings.Join(list, " ")
			}
		}
		return string(v)
	}
	return fmt.Sprint(cell)
}

// write prints the table with a title; an empty one says so.
func (t *table) write(w io.Writer, title string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", title)
	if len(t.rows) == 0 {
		b.WriteString("  (none)\n\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
	widths := make([]int, len(t.header))
	rules := make([]string, len(t.header))
	for i, name := range t.header {
		widths[i] = utf8.RuneCountInString(name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		rules[i] = strings.Repeat("-", widths[i])
	}
	t.line(&b, widths, t.header)
	t.line(&b, widths, rules)
	for _, row := range t.rows {
		t.line(&b, widths, row)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) line(b *strings.Builder, widths []int, cells []string) {
	var line strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		line.WriteString("  ")
		if t.right[i] {
			line.WriteString(pad + cell)
		} else {
			line.WriteString(cell + pad)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " "))
	b.WriteByte('\n')
}
