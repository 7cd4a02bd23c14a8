package cli

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/lib/pq"
	"github.com/twmb/franz-go/pkg/kgo"

	statefulkafka "github.com/tidemark-streams/tidemark/plugins/stateful_kafka"
)

// shownDifferences is how many rows of each kind are printed of a table.
const shownDifferences = 3

// compare prints how the rows of windows that are final in both streams differ, table by
// table. Rows are those of one task, so the streams must have the same number of tasks.
func (b *beside) compare(ctx context.Context, db *sql.DB, client *kgo.Client, out io.Writer) error {
	limit, err := b.final(ctx, db, client)
	if err != nil {
		return err
	}
	if !limit.Valid {
		fmt.Fprintf(out, "Nothing to compare: no window of %s is final\n", b.old.group)
		return nil
	}
	tables, err := b.shared(ctx, db)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !t.windows() {
			continue
		}
		d := t.difference(b.group)
		var same, old, young int64
		err := db.QueryRowContext(ctx, d+"select (select count(*) from both_have), (select count(*) from only_old), (select count(*) from only_new)",
			b.old.group, b.group, limit.String).Scan(&same, &old, &young)
		if err != nil {
			return fmt.Errorf("compare %s: %w", t.name, err)
		}
		if same+old+young == 0 {
			continue
		}
		fmt.Fprintf(out, "%s: %s final rows are the same, %s are only in the old, %s only in the new\n",
			t.name, humanize.Comma(same), humanize.Comma(old), humanize.Comma(young))
		for _, side := range []struct{ name, table string }{{"old", "only_old"}, {"new", "only_new"}} {
			if err := b.show(ctx, db, out, side.name, d+"select to_jsonb(r)::text from "+side.table+" as r order by 1 limit $4", limit.String); err != nil {
				return fmt.Errorf("compare %s: %w", t.name, err)
			}
		}
	}
	return nil
}

func (b *beside) show(ctx context.Context, db *sql.DB, out io.Writer, side, query, limit string) error {
	rows, err := db.QueryContext(ctx, query, b.old.group, b.group, limit, shownDifferences)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s %s\n", side, row)
	}
	return rows.Err()
}

// final is the watermark up to which windows are final in both streams, as Postgres writes
// it; null where none is. The new stream has come to the end of its topics: to its ledger
// all is final, what really is its state tells. Where the old one has come to an end as
// well, both have closed what was open in the same way.
func (b *beside) final(ctx context.Context, db *sql.DB, client *kgo.Client) (limit sql.NullString, err error) {
	err = db.QueryRowContext(ctx, "select min(watermark)::text from "+ledgerTable+" where stream = $1", b.old.group).Scan(&limit)
	if err != nil || !limit.Valid || limit.String == "infinity" {
		return limit, err
	}
	committed, err := statefulkafka.Committed(ctx, client, b.group)
	if err != nil {
		return limit, err
	}
	var known []time.Time
	for _, w := range committed {
		if !w.Watermark.IsZero() { // a task without records holds nothing back
			known = append(known, w.Watermark)
		}
	}
	if len(known) > 0 {
		earliest := slices.MinFunc(known, time.Time.Compare)
		err = db.QueryRowContext(ctx, "select least($1::timestamptz, $2::timestamptz)::text", limit.String, earliest).Scan(&limit)
	}
	return limit, err
}

// sharedTable is a table that both schemas have, with rows of streams.
type sharedTable struct {
	name    string
	columns []string
	stamps  []string // columns that say when a row was written
}

func (t *sharedTable) has(column string) bool { return slices.Contains(t.columns, column) }

func (t *sharedTable) windows() bool { return t.has("task") && t.has("seq") && t.has("window_end") }

// difference begins a query: which final rows both have, and which only one of them. Its
// parameters are the old stream, the new one and the watermark.
func (t *sharedTable) difference(schema string) string {
	var columns []string
	for _, c := range t.columns {
		if c != "stream" && c != "seq" && !slices.Contains(t.stamps, c) {
			columns = append(columns, pq.QuoteIdentifier(c))
		}
	}
	closes := "window_end"
	if t.has("closes_at") {
		closes = "closes_at"
	}
	list := strings.Join(columns, ", ")
	return fmt.Sprintf(`with
		old_rows as (select %[1]s from %[2]s where stream = $1 and %[4]s <= $3::timestamptz),
		new_rows as (select %[1]s from %[3]s.%[2]s where stream = $2 and %[4]s <= $3::timestamptz),
		both_have as (table old_rows intersect all table new_rows),
		only_old as (table old_rows except all table new_rows),
		only_new as (table new_rows except all table old_rows)
		`, list, pq.QuoteIdentifier(t.name), pq.QuoteIdentifier(schema), closes)
}

// shared are the tables of streams that the schema has as well as the one that users
// query, the ledger first.
func (b *beside) shared(ctx context.Context, db *sql.DB) (tables []sharedTable, err error) {
	rows, err := db.QueryContext(ctx, `
		select c.table_name, c.column_name, coalesce(c.column_default, '') = 'now()'
		from information_schema.columns as c
		join information_schema.tables as t using (table_schema, table_name)
		where c.table_schema = $1 and t.table_type = 'BASE TABLE' and c.table_name in (
			select s.table_name from information_schema.columns as s
			where s.table_schema = current_schema and s.column_name = 'stream'
		)
		order by c.table_name <> $2, c.table_name, c.ordinal_position`, b.group, ledgerTable)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var table, column string
		var stamp bool
		if err := rows.Scan(&table, &column, &stamp); err != nil {
			return nil, err
		}
		if len(tables) == 0 || tables[len(tables)-1].name != table {
			tables = append(tables, sharedTable{name: table})
		}
		t := &tables[len(tables)-1]
		t.columns = append(t.columns, column)
		if stamp {
			t.stamps = append(t.stamps, column)
		}
	}
	return tables, rows.Err()
}
