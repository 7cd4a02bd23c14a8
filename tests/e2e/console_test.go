package e2e

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// The console on a terminal comes to the figures of the database, and those to the
// oracle's, while Postgres goes away and comes back and the streams log; it leaves the
// terminal as it was.
func TestConsole(t *testing.T) {
	const orders = 400
	dir := dataset(t)
	p := newPipeline(t, 3)
	// As many lines as the tables and all logs take.
	consumer := p.onTerminal(160, 900, "consume")
	producer := p.start(produceArgs(dir, "--limit", fmt.Sprint(orders), "--speed", "100000", "--max-gap", "10ms")...)
	consumer.await("tables", func() string {
		if len(consumer.table("funnel")) == 0 {
			return "none"
		}
		return ""
	})
	p.pg.Stop(t)
	consumer.await("trouble", func() string {
		if !mentions(strings.Join(consumer.lines(), "\n"), "Postgres at", "not reachable") {
			return "the console does not say that Postgres is away"
		}
		return ""
	})
	if len(consumer.table("funnel")) == 0 {
		t.Error("the tables are gone while Postgres is")
	}
	p.pg.Start(t)
	p.succeeds(producer)
	p.expectLive(wanted(t, dir, orders))
	consumer.await("figures", func() string { return consumer.differs(shown(p.rows()), true) })
	if consumer.trouble() {
		t.Error("the console still says that Postgres is away")
	}
	consumer.whole()
	consumer.press("\x03") // control-C
	consumer.end()
	consumer.restored()
	if diff := consumer.differs(shown(p.rows()), true); diff != "" {
		t.Error("what is left on the screen:", diff)
	}
	consumer.whole()
	if !strings.Contains(consumer.written(), "\x1b[1m") {
		t.Error("no change was highlighted")
	}
}

// Without Postgres a terminal shows the rows that the streams emit.
func TestConsoleWithoutPostgres(t *testing.T) {
	const orders = 400
	dir := dataset(t)
	p := newPipeline(t, 3)
	p.produce(dir, "--limit", fmt.Sprint(orders))
	consumer := p.onTerminal(160, 900, "consume", "--no-postgres", "--stop-at-end")
	consumer.end()
	consumer.restored()
	if diff := consumer.differs(shown(wanted(t, dir, orders)), false); diff != "" {
		t.Error(diff)
	}
	consumer.whole()
	accountAddsUp(t, strings.Join(consumer.lines(), "\n"))
}

// Elsewhere standard output has the rows as JSON, and nothing else before the account.
func TestRowsWithoutPostgres(t *testing.T) {
	const orders = 50
	p := newPipeline(t, 1)
	p.produce(dataset(t), "--limit", fmt.Sprint(orders))
	r := p.run("consume", "--no-postgres", "--stop-at-end")
	read := 0
	for line := range strings.Lines(r.Stdout) {
		if strings.HasPrefix(strings.TrimSpace(line), "stream ") { // the account
			break
		}
		if !json.Valid([]byte(line)) {
			t.Fatalf("no JSON: %q", line)
		}
		read++
	}
	if read < orders {
		t.Errorf("%d rows", read)
	}
}

// Where there is no terminal the console prints lines: the newest windows' last ones are
// the final rows.
func TestConsoleLines(t *testing.T) {
	const orders, told = 400, 3
	dir := dataset(t)
	p := newPipeline(t, 3)
	p.produce(dir, "--limit", fmt.Sprint(orders))
	r := p.consume()
	want := wanted(t, dir, orders)
	p.expect(want)
	printed := map[string]string{}
	total := 0
	for line := range strings.Lines(r.Stdout) {
		words := strings.Fields(line)
		if words[0] == "stream" { // the account
			break
		}
		if !slices.Contains([]string{"funnel", "gmv", "drop_off", "payments", "progress"}, words[0]) {
			t.Errorf("no line of the console: %q", line)
			continue
		}
		total++
		key, figures := words[0], ""
		for _, w := range words[1:] {
			if name, value, ok := strings.Cut(w, "="); ok && name != "final" {
				figures += " " + canonical(value)
			} else if !ok {
				key += " " + w
			}
		}
		printed[key] = figures
	}
	for title, rows := range shown(want) {
		name := strings.ReplaceAll(strings.TrimSuffix(title, ", last hour"), "-", "_")
		for _, row := range rows[:min(told, len(rows))] {
			key, figures := name, ""
			for i, cell := range row {
				switch at, err := time.Parse("2006-01-02 15:04", cell); {
				case err == nil:
					key += " " + at.Format("2006-01-02T15:04Z")
				case i < 2 && strings.Trim(cell, "0123456789.") != "":
					key += " " + cell
				case cell == "ALERT":
					key += " ALERT"
				default:
					figures += " " + cell
				}
			}
			if got, ok := printed[key]; !ok || got != figures {
				t.Errorf("%s:%s, want%s", key, got, figures)
			}
		}
	}
	// A look has at most three rows of four tables, four counts of what there is more, and a line of progress.
	if looks := strings.Count(r.Stdout, "progress "); total > looks*(4*(told+1)+1) {
		t.Errorf("%d lines in %d looks", total, looks)
	}
}

func TestNoConsole(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 1)
	p.produce(dir, "--limit", "20")
	for _, args := range [][]string{{}, {"--no-postgres"}} {
		r := p.run(append([]string{"consume", "--stop-at-end", "--no-console"}, args...)...)
		if r.Stdout != "" {
			t.Errorf("%v: %q", args, r.Stdout)
		}
		if !strings.Contains(r.Stderr, "level=info") {
			t.Error("logs are not on standard error")
		}
	}
	consumer := p.onTerminal(160, 50, "consume", "--stop-at-end", "--no-console")
	consumer.end()
	consumer.restored()
	if text := strings.Join(consumer.lines(), "\n"); strings.Contains(text, "event time") || strings.Contains(text, "funnel  ") {
		t.Errorf("tables are shown: %s", text)
	}
}

// await waits until check has nothing to object to.
func (t *terminal) await(what string, check func() string) {
	t.Helper()
	kit.Eventually(t, patience, func() (bool, string) {
		diff := check()
		return diff == "", what + ": " + diff
	})
}

// differs compares the tables on the screen with the newest rows that there should be;
// masked cells are empty there. The database's columns that say what is final are left out.
func (t *terminal) differs(want map[string][][]string, final bool) string {
	for title, rows := range want {
		got := t.table(title)
		if len(got) == 0 || len(got) > len(rows) {
			return fmt.Sprintf("%s: %d rows are shown of %d", title, len(got), len(rows))
		}
		for i, row := range got {
			if final && (title == "funnel" || title == "gmv") {
				row = row[:len(row)-1]
			}
			for j := range max(len(row), len(rows[i])) {
				if j >= len(row) || j >= len(rows[i]) || rows[i][j] != "" && canonical(row[j]) != rows[i][j] {
					return fmt.Sprintf("%s: %q, want %q", title, row, rows[i])
				}
			}
		}
	}
	return ""
}

// trouble tells whether the line above the tables does not belong to the head.
func (t *terminal) trouble() bool {
	lines := t.lines()
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "funnel  ") })
	return at > 1 && strings.HasPrefix(lines[at-2], "Postgres at")
}

// whole checks that the tables stand on the screen once, in one piece, with nothing but
// whole lines of logs above: as many as were logged, where they fit on the screen.
func (t *terminal) whole() {
	t.Helper()
	lines := t.lines()
	text := strings.Join(lines, "\n")
	for _, part := range []string{"event time", "funnel  ", "gmv  ", "drop-off  ", "payments, last hour  "} {
		count := 0
		for _, line := range lines {
			if strings.HasPrefix(line, part) {
				count++
			}
		}
		if count != 1 {
			t.Errorf("%q stands on the screen %d times", part, count)
		}
	}
	head, _, _ := strings.Cut(text, "event time")
	logged := 0
	for line := range strings.Lines(head) {
		if strings.HasPrefix(line, "level=") || strings.HasPrefix(line, "time=") {
			logged++
		}
		if columnGap.MatchString(strings.TrimSpace(line)) {
			t.Errorf("a piece of a table stands among the logs: %q", line)
		}
	}
	if sent := strings.Count(t.written(), "level="); logged != sent {
		t.Errorf("%d lines of logs stand on the screen of %d", logged, sent)
	}
}

// shown is what a console shows of the oracle's rows, by the title of the table: the
// newest rows first, each with its cells.
func shown(tables golden.Tables) map[string][][]string {
	view := func(name string) golden.View {
		views := golden.Views()
		return views[slices.IndexFunc(views, func(v golden.View) bool { return v.Name == name })]
	}
	cell := func(name string, row golden.Row, column string) string {
		v := view(name)
		text := row[slices.IndexFunc(v.Columns, func(c golden.Column) bool { return c.Name == column })]
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at.Format("2006-01-02 15:04")
		}
		return text
	}
	pick := func(name string, columns ...string) (rows [][]string) {
		for _, row := range tables[name] {
			var cells []string
			for _, c := range columns {
				cells = append(cells, cell(name, row, c))
			}
			rows = append(rows, cells)
		}
		slices.SortStableFunc(rows, func(a, b []string) int { return strings.Compare(b[0], a[0]) })
		return rows
	}
	drop := pick(golden.DropOff, "window_start", "order_status", "total_orders", "dropped_orders", "pending_orders",
		"drop_rate", "unique_customers_affected", "alert_triggered")
	for i, row := range drop {
		alert := row[len(row)-1]
		drop[i] = row[:len(row)-1]
		if alert == "true" {
			drop[i] = append(drop[i], "ALERT")
		}
	}
	slices.SortStableFunc(drop, func(a, b []string) int {
		for _, c := range []int{0, 3, 2} { // the newest, then the most dropped, then the most
			if n := compare(b[c], a[c]); n != 0 {
				return n
			}
		}
		return strings.Compare(a[1], b[1])
	})
	return map[string][][]string{
		"funnel": pick(golden.Funnel, "window_start", "total_orders", "orders_with_items", "orders_with_payment",
			"items_conversion_rate", "payment_conversion_rate", "dropped_after_order", "dropped_after_items"),
		"gmv":                 pick(golden.GMV, "window_start", "gmv", "item_count", "unique_orders", "avg_item_price"),
		"drop-off":            drop,
		"payments, last hour": lastHour(pick(golden.Payments, "window_start", "payment_type", "payment_count", "total_value", "successful_orders")),
	}
}

// lastHour adds up the payments of the last hour of data by type.
func lastHour(rows [][]string) (sums [][]string) {
	type sum struct{ count, value, good big.Rat }
	types := map[string]*sum{}
	const layout = "2006-01-02 15:04"
	newest, _ := time.Parse(layout, rows[0][0])
	for _, row := range rows {
		if at, _ := time.Parse(layout, row[0]); newest.Sub(at) >= time.Hour {
			break
		}
		s := types[row[1]]
		if s == nil {
			s = &sum{}
			types[row[1]] = s
		}
		for i, into := range []*big.Rat{&s.count, &s.value, &s.good} {
			v, _ := new(big.Rat).SetString(row[2+i])
			into.Add(into, v)
		}
	}
	for name, s := range types {
		average := new(big.Rat).Quo(&s.value, &s.count)
		rate := new(big.Rat).Mul(new(big.Rat).Quo(&s.good, &s.count), big.NewRat(100, 1))
		sums = append(sums, []string{name, s.count.FloatString(0), canonical(s.value.FloatString(2)),
			canonical(average.FloatString(2)), canonical(rate.FloatString(2))})
	}
	slices.SortFunc(sums, func(a, b []string) int {
		if n := compare(b[2], a[2]); n != 0 {
			return n
		}
		return strings.Compare(a[0], b[0])
	})
	return sums
}

// compare compares numbers, and other texts as such.
func compare(a, b string) int {
	x, isNumber := new(big.Rat).SetString(a)
	y, both := new(big.Rat).SetString(b)
	if isNumber && both {
		return x.Cmp(y)
	}
	return strings.Compare(a, b)
}

// canonical is a number as the oracle writes it, without needless zeros.
func canonical(text string) string {
	if _, ok := new(big.Rat).SetString(text); !ok || !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
