package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// dimensionsOnly is a folder with the stream dimensions as it is shipped, but for
// replaced pieces of it.
func dimensionsOnly(t testing.TB, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := change(t, shipped(t, "dimensions"), pairs...)
	if err := os.WriteFile(filepath.Join(dir, "dimensions.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// dimensions are the rows of the views by category, state and seller that a folder of
// CSV files makes.
func dimensions(t testing.TB, dir string) golden.Tables {
	t.Helper()
	want, err := golden.Dimensions(dir)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// differ are the differences between the views and the oracle's rows.
func (p *pipeline) differ(want golden.Tables) []string {
	p.Helper()
	got, err := golden.LoadDimensions(p.Context(), p.pg.DB)
	if err != nil {
		p.Fatal(err)
	}
	return golden.DiffDimensions(want, got)
}

// sum adds up a column.
func (p *pipeline) sum(column, relation string) (total string) {
	p.Helper()
	query := "select coalesce(sum(" + column + "), 0)::text from " + relation
	if err := p.pg.DB.QueryRowContext(p.Context(), query).Scan(&total); err != nil {
		p.Fatal(err)
	}
	return total
}

// However the events come, the rows are those of the files.
func TestDimensions(t *testing.T) {
	dir := dataset(t)
	want := dimensions(t, dir)
	if len(want[golden.CategoryGMV]) < 100 || len(want[golden.Delivery]) < 100 {
		t.Fatal("the files make hardly any rows")
	}
	disturbed := []string{"--duplicates", "0.02", "--disorder", "60s", "--seed", "7"}
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprintf("partitions=%d", partitions), func(t *testing.T) {
			p := newPipeline(t, partitions)
			p.produce(dir, disturbed...)
			r := p.run("consume", "--stop-at-end", "--streams", dimensionsOnly(t))
			p.same(p.differ(want))
			accountAddsUp(t, r.Stdout)
			if n := p.sum("1", "dead_letter_events"); n != "0" {
				t.Errorf("%s dead letters", n)
			}
			if out := p.run("db", "dimensions", "--rows", "3").Output(); !strings.Contains(out, want[golden.LastCategories][0][0]) {
				t.Error(out)
			}
			p.run("db", "truncate", "--yes")
			if diff := p.differ(golden.Tables{}); len(diff) > 0 {
				t.Errorf("db truncate left rows: %s", summary(diff))
			}
		})
	}
}

// Rows that pass through processors of Benthos survive kills like all others.
func TestDimensionsSurviveKills(t *testing.T) {
	const kills = 4
	dir := filepath.Join(t.TempDir(), "dataset")
	kit.MustRun(t, kit.Command{Args: []string{"generate", "--orders", "3000", "--seed", "3", "--out", dir}}, patience)
	want := dimensions(t, dir)
	events, _ := read(t, dir, 0)
	streams := dimensionsOnly(t, "    rows_per_message: 1000\n", "    rows_per_message: 100\n    commit_interval: 100ms\n")
	p := newPipeline(t, 3)
	p.env = append(p.env, "TIDEMARK_BATCH_SIZE=64")
	producer := p.start(produceArgs(dir, "--speed", "100000000", "--max-gap", "1ms", "--duplicates", "0.02", "--disorder", "60s")...)
	for i := range kills {
		consumer := p.start("consume", "--streams", streams)
		p.await(int64(len(events)*i/kills/3+100), "select coalesce(sum(item_count), 0) from category_windows")
		consumer.Signal(t, syscall.SIGKILL)
		consumer.Wait(t, patience)
	}
	p.succeeds(producer)
	p.run("consume", "--stop-at-end", "--streams", streams)
	p.same(p.differ(want))
}

// A dataset may lack all but the three files of events. Beside the other streams, the
// categories of a day and its minutes come to the same.
func TestDimensionsOfCoreFiles(t *testing.T) {
	whole, dir := dataset(t), t.TempDir()
	for _, name := range []string{golden.OrdersFile, golden.ItemsFile, golden.PaymentsFile} {
		text, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := newPipeline(t, 3)
	p.produce(dir)
	p.consume()
	p.same(p.differ(dimensions(t, dir)))
	p.expect(wanted(t, dir, 0))
	for _, relation := range []string{"category_gmv where product_category = 'unknown'", "state_gmv where customer_state = 'unknown'", "top_sellers where seller_state is null"} {
		if got, want := p.sum("gmv", relation), p.sum("gmv", "gmv_metrics"); got != want {
			t.Errorf("%s has a GMV of %s, want %s", relation, got, want)
		}
	}
	p.run("state", "reset", "--yes", "--consumer-group", "tidemark-dimensions")
	if diff := p.differ(golden.Tables{}); len(diff) > 0 {
		t.Errorf("state reset left rows: %s", summary(diff))
	}
	p.expect(wanted(t, dir, 0)) // those of the other streams
	p.consume()
	p.same(p.differ(dimensions(t, dir)))
}

// The comparison sees what a wrong stream does.
func TestDimensionsComparisonFails(t *testing.T) {
	dir := dataset(t)
	want := dimensions(t, dir)
	p := newPipeline(t, 3)
	p.produce(dir, "--duplicates", "0.02", "--disorder", "60s")
	for _, c := range []struct {
		name, view string
		pairs      []string
	}{
		{"copies count", golden.CategoryGMV, []string{"      - label: dedup\n        dedup: { key: event_id, ttl: 7d }\n", ""}},
		{"early is late", golden.Delivery, []string{"this.delay_ms >= 86400000", "this.delay_ms > 0"}},
		{"an order for each item", golden.StateGMV, []string{`this.change == "items" && this.items_count == 1`, `this.change == "items"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p.of(t)
			p.run("consume", "--stop-at-end", "--streams", dimensionsOnly(t, c.pairs...))
			diff := p.differ(want)
			if !slices.ContainsFunc(diff, func(line string) bool { return strings.HasPrefix(line, c.view+"[") }) {
				t.Errorf("no difference in %s: %s", c.view, summary(diff))
			}
			p.run("state", "reset", "--yes", "--consumer-group", "tidemark-dimensions")
		})
	}
}
