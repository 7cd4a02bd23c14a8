package workload

import (
	"context"
	"database/sql"
	"fmt"
)

// Oracle holds the rows that must come of a workload.
type Oracle struct {
	// Records is how many there were in all.
	Records int64

	orders   map[int64]*cohort
	payments map[paymentKey]*payment
}

// cohort is what became of the orders of a minute.
type cohort struct{ orders, withItems, paid, value int64 }

type paymentKey struct {
	minute int64
	kind   string
}

type payment struct{ count, value int64 }

func newOracle() *Oracle {
	return &Oracle{orders: map[int64]*cohort{}, payments: map[paymentKey]*payment{}}
}

// Rows is how many rows there are.
func (o *Oracle) Rows() (n int64) {
	for _, c := range o.orders {
		n++
		if c.value > 0 {
			n++
		}
	}
	return n + int64(len(o.payments))
}

func (o *Oracle) order(t int64, items, paid bool, value int64) {
	c := o.orders[t/Minute]
	if c == nil {
		c = &cohort{}
		o.orders[t/Minute] = c
	}
	c.orders++
	if items {
		c.withItems++
	}
	if paid {
		c.paid++
	}
	c.value += value
}

func (o *Oracle) payment(t int64, kind string, value int64) {
	k := paymentKey{t / Minute, kind}
	p := o.payments[k]
	if p == nil {
		p = &payment{}
		o.payments[k] = p
	}
	p.count++
	p.value += value
}

// oracleTables are what Write fills. Minutes are counted from 1970, money is in cents.
const oracleTables = `create schema oracle;
create table oracle.funnel (minute bigint primary key, total_orders bigint, orders_with_items bigint, orders_paid bigint);
create table oracle.gmv (minute bigint primary key, cents bigint);
create table oracle.payments (minute bigint, payment_type text, payments bigint, cents bigint, primary key (minute, payment_type))`

// Write puts the rows into new tables of the schema oracle, over a connection of lib/pq.
func (o *Oracle) Write(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to undo after the commit
	if _, err := tx.ExecContext(ctx, oracleTables); err != nil {
		return fmt.Errorf("creating the oracle's tables: %w", err)
	}
	var funnel, gmv, payments [][]any
	for m, c := range o.orders {
		funnel = append(funnel, []any{m, c.orders, c.withItems, c.paid})
		if c.value > 0 {
			gmv = append(gmv, []any{m, c.value})
		}
	}
	for k, p := range o.payments {
		payments = append(payments, []any{k.minute, k.kind, p.count, p.value})
	}
	for _, t := range []struct {
		name string
		rows [][]any
	}{{"funnel", funnel}, {"gmv", gmv}, {"payments", payments}} {
		if err := copyIn(ctx, tx, t.name, t.rows); err != nil {
			return fmt.Errorf("filling oracle.%s: %w", t.name, err)
		}
	}
	return tx.Commit()
}

func copyIn(ctx context.Context, tx *sql.Tx, table string, rows [][]any) error {
	stmt, err := tx.PrepareContext(ctx, "copy oracle."+table+" from stdin")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := stmt.ExecContext(ctx, r...); err != nil {
			return err
		}
	}
	if _, err := stmt.ExecContext(ctx); err != nil {
		return err
	}
	return stmt.Close()
}
