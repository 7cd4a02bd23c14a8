package pgupsert

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
)

// check reads what the catalog says of the tables, compares it with the config
// and lets Postgres plan every statement, which finds missing privileges too.
func (w *writer) check(ctx context.Context) (*plan, error) {
	target, err := w.lookUp(ctx, fieldTable, w.cfg.table)
	if err != nil {
		return nil, err
	}
	var letters, ledger *tableInfo
	if w.cfg.deadLetters != nil {
		if letters, err = w.lookUp(ctx, fieldDeadLetters, *w.cfg.deadLetters); err != nil {
			return nil, err
		}
	}
	if w.cfg.ledger {
		if ledger, err = w.lookUp(ctx, fieldLedgerTable, w.cfg.ledgerTable); err != nil {
			return nil, err
		}
	}
	p, err := planOf(w.cfg, target, letters, ledger)
	if err != nil {
		return nil, err
	}
	return p, w.rehearse(ctx, p)
}

// rehearse plans every statement without running it.
func (w *writer) rehearse(ctx context.Context, p *plan) error {
	type step struct {
		table tableName
		sql   string
		args  []any
	}
	steps := []step{{p.rows.table, p.rows.statement(), p.rows.args(origin{}, nil)}}
	if p.letters != nil {
		steps = append(steps, step{p.letters.table, p.letters.statement(), p.letters.args(origin{}, nil)})
	}
	if w.cfg.ledger {
		l := ledgerSQL{w.cfg.ledgerTable.sql()}
		steps = append(steps,
			step{w.cfg.ledgerTable, l.begin(), []any{"", 0, 0, 0}},
			step{w.cfg.ledgerTable, l.advance(), []any{"", 0, 0, 0, nil}})
		for _, t := range p.ours {
			steps = append(steps, step{t.name, l.withdraw(t.name), []any{"", 0, 0}})
		}
	}
	for _, s := range steps {
		if _, err := w.db.ExecContext(ctx, "explain "+s.sql, s.args...); err != nil {
			return told{fmt.Sprintf("table %s: %s", s.table, describe(err)), err}
		}
	}
	return nil
}

const (
	sqlTable   = `select c.oid from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass($1::text)`
	sqlColumns = `select attname, pg_catalog.format_type(atttypid, null),
		attnotnull and not atthasdef and attidentity = '' from pg_catalog.pg_attribute
		where attrelid = $1::oid and attnum > 0 and not attisdropped order by attnum`
	// A partial, deferred or computed index cannot arbitrate a conflict.
	sqlUnique = `select array(select a.attname::text
			from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality as k(attnum, place)
			join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum order by place)
		from pg_catalog.pg_index i where indrelid = $1::oid and indisunique and indisvalid and indimmediate
		and indpred is null and indexprs is null order by indisprimary desc, indexrelid`
)

// lookUp reads what the catalog says of the table that a field names.
func (w *writer) lookUp(ctx context.Context, field string, name tableName) (*tableInfo, error) {
	t := &tableInfo{name: name, columns: map[string]columnInfo{}}
	if err := w.db.QueryRowContext(ctx, sqlTable, name.sql()).Scan(&t.oid); errors.Is(err, sql.ErrNoRows) {
		return nil, fatalf("%s: table %s does not exist in %s; `tidemark db migrate` creates Tidemark's tables", field, name, postgres.Address(w.cfg.server))
	} else if err != nil {
		return nil, told{fmt.Sprintf("table %s: %s", name, describe(err)), err}
	}
	err := w.each(ctx, sqlColumns, t.oid, func(rows *sql.Rows) error {
		var name string
		var c columnInfo
		err := rows.Scan(&name, &c.typ, &c.required)
		t.columns[name] = c
		t.order = append(t.order, name)
		return err
	})
	if err == nil {
		err = w.each(ctx, sqlUnique, t.oid, func(rows *sql.Rows) error {
			var cols []string
			err := rows.Scan(pq.Array(&cols))
			t.unique = append(t.unique, cols)
			return err
		})
	}
	if err != nil {
		return nil, told{fmt.Sprintf("table %s: %s", name, describe(err)), err}
	}
	return t, nil
}

func (w *writer) each(ctx context.Context, query string, oid uint32, scan func(*sql.Rows) error) error {
	rows, err := w.db.QueryContext(ctx, query, oid)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
