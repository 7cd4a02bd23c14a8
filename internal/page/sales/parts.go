package sales

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Parts are the sums over a table's rows whose windows start in the same bin, of one
// stream: an hour in memory, a minute where a query asks for minutes.

type funnelPart struct {
	orders, withItems, paid, withPayment int64
	final                                bool
}

type gmvPart struct {
	itemRevenue, freight cents
	items, orders        int64
}

type dropOffPart struct {
	status                               string
	orders, complete, dropped, customers int64
	samples                              []string // the smallest ids, at most maxSamples
}

type paymentPart struct {
	kind                            string
	value                           cents
	count, installments, successful int64
}

// maxSamples is how many ids of dropped orders stand for all.
const maxSamples = 3

// part is one with the start of its bin.
type part[P any] struct {
	t int64
	p P
}

// table is a table of windows, and how its rows become parts.
type table[P any] struct {
	name    string
	columns string // of the inner query, which groups rows by bin, stream and also
	also    string // another column to group by
	join    string
	scan    func(*P, names) []any // where the columns go
}

// names keeps one copy of each text.
type names map[string]string

// name scans into a text of which there are few.
type name struct {
	into *string
	all  names
}

// Scan implements sql.Scanner.
func (n name) Scan(value any) error {
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return fmt.Errorf("want a text, got %T", value)
	}
	if known, ok := n.all[text]; ok {
		text = known
	} else {
		n.all[text] = text
	}
	*n.into = text
	return nil
}

// inCents is a sum of money as a whole number of hundredths.
func inCents(column string) string { return "(sum(" + column + ") * 100)::bigint" }

var funnelTable = table[funnelPart]{
	name: "funnel_windows",
	columns: "sum(w.total_orders)::bigint, sum(w.orders_with_items)::bigint, sum(w.orders_paid)::bigint, " +
		"sum(w.orders_with_payment)::bigint, bool_and(coalesce(w.closes_at <= p.watermark, false))",
	join: "left join tidemark_progress as p on p.stream = w.stream",
	scan: func(f *funnelPart, _ names) []any {
		return []any{&f.orders, &f.withItems, &f.paid, &f.withPayment, &f.final}
	},
}

var gmvTable = table[gmvPart]{
	name: "gmv_windows",
	columns: inCents("w.item_revenue") + ", " + inCents("w.freight") +
		", sum(w.item_count)::bigint, sum(w.unique_orders)::bigint",
	scan: func(g *gmvPart, _ names) []any { return []any{&g.itemRevenue, &g.freight, &g.items, &g.orders} },
}

var dropOffTable = table[dropOffPart]{
	name: "drop_off_windows",
	also: "w.order_status",
	columns: "sum(w.total_orders)::bigint, sum(w.complete_orders)::bigint, sum(w.dropped_orders)::bigint, " +
		"sum(w.customers_affected)::bigint, jsonb_agg(w.sample_order_ids) filter (where w.sample_order_ids <> '{}')",
	scan: func(d *dropOffPart, all names) []any {
		return []any{name{&d.status, all}, &d.orders, &d.complete, &d.dropped, &d.customers, (*samples)(&d.samples)}
	},
}

var paymentTable = table[paymentPart]{
	name: "payment_windows",
	also: "w.payment_type",
	columns: "sum(w.payment_count)::bigint, " + inCents("w.total_value") +
		", sum(w.installments)::bigint, sum(w.successful_orders)::bigint",
	scan: func(m *paymentPart, all names) []any {
		return []any{name{&m.kind, all}, &m.count, &m.value, &m.installments, &m.successful}
	},
}

// samples scans a JSON array of arrays of ids, and keeps the smallest.
type samples []string

// Scan implements sql.Scanner.
func (s *samples) Scan(value any) error {
	text, ok := value.([]byte)
	if !ok {
		return nil // null: there are none
	}
	var lists [][]*string
	if err := json.Unmarshal(text, &lists); err != nil {
		return err
	}
	for _, list := range lists {
		for _, id := range list {
			if id != nil {
				*s = addSample(*s, *id)
			}
		}
	}
	return nil
}

// addSample puts an id among the smallest ones. Bytes are compared, as the views do.
func addSample(list []string, id string) []string {
	at, found := slices.BinarySearchFunc(list, id, cmp.Compare[string])
	if found || at == maxSamples {
		return list
	}
	list = slices.Insert(list, at, id)
	return list[:min(len(list), maxSamples)]
}

// limits of time for read.
const (
	always = "-infinity"
	never  = "infinity"
)

func timestamp(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// read sums up the rows whose windows start from from up to to, in bins of so many
// seconds, by time. It also tells of each stream how long after its start a window
// closes at most, in seconds.
func (t table[P]) read(ctx context.Context, tx *sql.Tx, bin int64, from, to string) ([]part[P], map[string]int64, error) {
	start := fmt.Sprintf("date_bin('%d seconds', w.window_start, timestamptz '1970-01-01 00:00:00+00')", bin)
	also := ""
	if t.also != "" {
		also = ", " + t.also
	}
	rows, err := tx.QueryContext(ctx, `
	select
		extract(epoch from `+start+`)::bigint as t, w.stream,
		ceil(extract(epoch from max(w.closes_at - w.window_start)))::bigint`+also+", "+t.columns+`
	from `+t.name+" as w "+t.join+`
	where w.window_start >= $1 and w.window_start < $2
	group by `+start+", w.stream"+also+`
	order by t`, from, to)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.name, err)
	}
	defer rows.Close()
	var list []part[P]
	closing := map[string]int64{}
	texts := names{}
	for rows.Next() {
		var p part[P]
		var stream string
		var closes int64
		if err := rows.Scan(append([]any{&p.t, name{&stream, texts}, &closes}, t.scan(&p.p, texts)...)...); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", t.name, err)
		}
		list = append(list, p)
		if known, ok := closing[stream]; !ok || closes > known {
			closing[stream] = closes
		}
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return list, closing, nil
}

// between are the parts whose bins start from from up to to.
func between[P any](list []part[P], from, to int64) []part[P] {
	return list[search(list, from):search(list, to)]
}

// search is the number of parts before t.
func search[P any](list []part[P], t int64) int {
	at, _ := slices.BinarySearchFunc(list, t, func(p part[P], t int64) int { return cmp.Compare(p.t, t) })
	return at
}
