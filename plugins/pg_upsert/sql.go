package pgupsert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// Columns that a ledger adds to a table.
const (
	colStream = "stream"
	colTask   = "task"
	colSeq    = "seq"
)

// tableName is the name of a table as a config writes it.
type tableName struct {
	schema string // "" where the search path decides
	name   string
}

// parseTable reads table or schema.table. Names are taken as they are written,
// capitals included; one that has a dot in it stands in double quotes.
func parseTable(s string) (tableName, error) {
	var parts []string
	for rest := s; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			end := strings.Index(rest[1:], `"`)
			if end < 0 {
				return tableName{}, fmt.Errorf("table name %q: a quote is not closed", s)
			}
			part, rest = rest[1:end+1], rest[end+2:]
		} else if i := strings.IndexByte(rest, '.'); i >= 0 {
			part, rest = rest[:i], rest[i:]
		} else {
			part, rest = rest, ""
		}
		if err := checkIdentifier(part); err != nil {
			return tableName{}, fmt.Errorf("table name %q: %w", s, err)
		}
		parts = append(parts, part)
		if rest == "" {
			break
		}
		if rest[0] != '.' || len(parts) == 2 {
			return tableName{}, fmt.Errorf("table name %q: want table or schema.table", s)
		}
		rest = rest[1:]
	}
	if len(parts) == 2 {
		return tableName{schema: parts[0], name: parts[1]}, nil
	}
	return tableName{name: parts[0]}, nil
}

// checkIdentifier refuses what Postgres would cut off or cannot hold.
func checkIdentifier(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("a name is empty")
	case len(s) > 63:
		return fmt.Errorf("%q is longer than the 63 bytes that Postgres keeps of a name", s)
	case strings.ContainsRune(s, 0):
		return fmt.Errorf("%q has a NUL in it", s)
	}
	return nil
}

// sql is the name quoted for a statement.
func (t tableName) sql() string {
	if t.schema == "" {
		return pq.QuoteIdentifier(t.name)
	}
	return pq.QuoteIdentifier(t.schema) + "." + pq.QuoteIdentifier(t.name)
}

// String is the name for a message to a reader.
func (t tableName) String() string {
	if t.schema == "" {
		return t.name
	}
	return t.schema + "." + t.name
}

// column is a column of a table and its type.
type column struct {
	name string
	typ  columnType
}

// upsert describes a bulk upsert into one table.
type upsert struct {
	table  tableName
	consts []column // stream and task of all rows, or none: scalar parameters
	cols   []column // one value for each row: array parameters, after the scalars
	key    []string // the conflict key, among consts and cols
	stamp  string   // column that is set to now(); "" for none
	// ledger is the table with the row that the statement holds, as ledger.go says, and
	// without which it writes nothing; nil for none. The scalar parameters are stream,
	// task and generation then.
	ledger *tableName
	// guard leaves a stored row alone whose seq is not older. The count is of one
	// task only, so where the task is not part of the key, a row of another task
	// is always replaced.
	guard bool
}

// statement is the SQL of u: the columns come as arrays and are zipped by unnest, which
// as an item of select hands on row by row what in from it would write down first.
// With a ledger its result is how many rows of the ledger it holds, 1 or 0.
func (u upsert) statement() string { return u.write(true) }

// insertion is the statement for rows none of whose keys is stored, for else it fails
// with unique_violation. Without an eye on conflicts Postgres is a third faster.
func (u upsert) insertion() string { return u.write(false) }

func (u upsert) write(conflicts bool) string {
	scalars := len(u.consts)
	if u.ledger != nil {
		scalars = 3
	}
	var names, values, unnested []string
	for i, c := range u.consts {
		names = append(names, pq.QuoteIdentifier(c.name))
		values = append(values, fmt.Sprintf("$%d::%s", i+1, c.typ.name))
	}
	for i, c := range u.cols {
		alias := fmt.Sprintf("c%d", i+1)
		names = append(names, pq.QuoteIdentifier(c.name))
		values = append(values, c.typ.unpacked("u."+alias))
		unnested = append(unnested, fmt.Sprintf("unnest($%d::%s) as %s", scalars+i+1, c.typ.param(), alias))
	}
	if u.stamp != "" {
		names = append(names, pq.QuoteIdentifier(u.stamp))
		values = append(values, "now()")
	}
	key := make([]string, len(u.key))
	for i, k := range u.key {
		key[i] = pq.QuoteIdentifier(k)
	}
	var sets []string
	for _, n := range names {
		if !slices.Contains(key, n) {
			sets = append(sets, n+" = excluded."+n)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "insert into %s as stored (%s) select %s from (select %s) as u",
		u.table.sql(), strings.Join(names, ", "), strings.Join(values, ", "), strings.Join(unnested, ", "))
	if u.ledger != nil {
		b.WriteString(" where exists (select from held)")
	}
	switch {
	case !conflicts:
	case len(sets) == 0:
		fmt.Fprintf(&b, " on conflict (%s) do nothing", strings.Join(key, ", "))
	default:
		fmt.Fprintf(&b, " on conflict (%s) do update set %s", strings.Join(key, ", "), strings.Join(sets, ", "))
	}
	if conflicts && u.guard && len(sets) > 0 {
		seq, task := pq.QuoteIdentifier(colSeq), pq.QuoteIdentifier(colTask)
		fmt.Fprintf(&b, " where (stored.%s is null or stored.%s < excluded.%s", seq, seq, seq)
		if !slices.Contains(u.key, colTask) {
			fmt.Fprintf(&b, " or stored.%s is distinct from excluded.%s", task, task)
		}
		b.WriteString(")")
	}
	if u.ledger == nil {
		return b.String()
	}
	return "with held as (" + ledgerSQL{u.ledger.sql()}.hold() + "), written as (" + b.String() + ") select count(*) from held"
}

// args are the parameters of the statement for these rows of a task.
func (u upsert) args(from origin, rows [][]cell) []any {
	args := make([]any, 0, 3+len(u.cols))
	switch {
	case u.ledger != nil:
		args = append(args, from.stream, from.task, from.generation)
	case len(u.consts) > 0:
		args = append(args, from.stream, from.task)
	}
	cells := make([]cell, len(rows))
	for i, c := range u.cols {
		for k, r := range rows {
			cells[k] = r[i]
		}
		args = append(args, arrayParam(c.typ, cells))
	}
	return args
}
