package main

import (
	"context"
	"database/sql"

	"github.com/lib/pq"
)

// tables are the floor's own: no ledger, no task, no generation.
const tables = `create table funnel (minute bigint primary key, total_orders bigint, orders_with_items bigint, orders_paid bigint);
create table gmv (minute bigint primary key, cents bigint);
create table payments (minute bigint, payment_type text, payments bigint, cents bigint, primary key (minute, payment_type))`

const (
	upsertFunnel = `insert into funnel select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
on conflict (minute) do update set total_orders = excluded.total_orders,
	orders_with_items = excluded.orders_with_items, orders_paid = excluded.orders_paid`
	upsertGMV = `insert into gmv select * from unnest($1::bigint[], $2::bigint[])
on conflict (minute) do update set cents = excluded.cents`
	upsertPayments = `insert into payments select * from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])
on conflict (minute, payment_type) do update set payments = excluded.payments, cents = excluded.cents`
)

// flush upserts every row that has changed, in one transaction.
func (j *job) flush(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to undo after the commit
	for _, step := range []func(context.Context, *sql.Tx) error{j.flushFunnel, j.flushGMV, j.flushPayments} {
		if err := step(ctx, tx); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (j *job) flushFunnel(ctx context.Context, tx *sql.Tx) error {
	var minute, orders, withItems, paid pq.Int64Array
	for m, f := range j.funnel {
		if f.dirty {
			f.dirty = false
			minute, orders, withItems, paid = append(minute, m), append(orders, f.orders), append(withItems, f.withItems), append(paid, f.paid)
		}
	}
	_, err := tx.ExecContext(ctx, upsertFunnel, minute, orders, withItems, paid)
	return err
}

func (j *job) flushGMV(ctx context.Context, tx *sql.Tx) error {
	var minute, cents pq.Int64Array
	for m, g := range j.gmv {
		if g.dirty {
			g.dirty = false
			minute, cents = append(minute, m), append(cents, g.cents)
		}
	}
	_, err := tx.ExecContext(ctx, upsertGMV, minute, cents)
	return err
}

func (j *job) flushPayments(ctx context.Context, tx *sql.Tx) error {
	var minute, count, cents pq.Int64Array
	var kind pq.StringArray
	for k, p := range j.payments {
		if p.dirty {
			p.dirty = false
			minute, kind, count, cents = append(minute, k.minute), append(kind, k.kind), append(count, p.count), append(cents, p.cents)
		}
	}
	_, err := tx.ExecContext(ctx, upsertPayments, minute, kind, count, cents)
	return err
}
