package e2e

import (
	"fmt"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// The Olist files as they are: known figures, every row right, no more memory
// than promised, and a second replay changes nothing.
func TestOlist(t *testing.T) {
	dir := kit.Olist(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, 0)

	p.produce(dir)
	r := p.consume()
	p.expect(want)
	events, _ := read(t, dir, 0)
	if n := accountAddsUp(t, r.Stdout)["tidemark-funnel"]; n != int64(len(events)) {
		t.Errorf("the funnel has read %d records, want %d", n, len(events))
	}
	got := p.rows()
	for _, known := range []struct{ view, column, total string }{
		{golden.Funnel, "total_orders", "8135"},
		{golden.Funnel, "orders_with_items", "7360"},
		{golden.Funnel, "orders_with_payment", "7353"},
		{golden.GMV, "gmv", "1265552.74"},
	} {
		total, err := got.Sum(known.view, known.column)
		if err != nil {
			t.Fatal(err)
		}
		if total != known.total {
			t.Errorf("sum of %s in %s is %s, want %s", known.column, known.view, total, known.total)
		}
	}

	t.Logf("consume took at most %d MB of memory", r.PeakRSS>>20)
	if r.PeakRSS >= 200<<20 {
		t.Errorf("consume took %d MB of memory, want less than 200", r.PeakRSS>>20)
	}

	p.produce(dir)
	r = p.consume()
	p.expect(want)
	if n := accountAddsUp(t, r.Stdout)["tidemark-funnel"]; n != int64(2*len(events)) {
		t.Errorf("the funnel has read %d records, want %d", n, 2*len(events))
	}
}

// Neither the number of partitions, nor the size of a batch, nor duplicates, nor
// disorder within the bound may show in the rows.
func TestSameRowsHoweverTheyCome(t *testing.T) {
	dir := dataset(t)
	disturbed := []string{"--duplicates", "0.05", "--disorder", "60s", "--seed", "7"}
	for _, c := range []struct {
		partitions int
		batch      int
		args       []string
	}{
		{partitions: 1, batch: 10000},
		{partitions: 3, batch: 1},
		{partitions: 3, batch: 10000, args: disturbed},
		{partitions: 6, batch: 1000, args: disturbed},
	} {
		t.Run(fmt.Sprintf("partitions=%d,batch=%d,disturbed=%v", c.partitions, c.batch, c.args != nil), func(t *testing.T) {
			p := newPipeline(t, c.partitions)
			p.env = append(p.env, fmt.Sprintf("TIDEMARK_BATCH_SIZE=%d", c.batch))
			p.produce(dir, c.args...)
			r := p.consume()
			p.expect(wanted(t, dir, 0))
			accountAddsUp(t, r.Stdout)
		})
	}
}

// A replay that takes its time, with its waits cut short, makes the rows of the
// orders that were selected.
func TestFiniteSpeed(t *testing.T) {
	const orders = 200
	dir := dataset(t)
	p := newPipeline(t, 3)
	p.produce(dir, "--limit", fmt.Sprint(orders), "--speed", "100000", "--max-gap", "1ms")
	p.consume()
	p.expect(wanted(t, dir, orders))
}

// A consumer that waits for the first event shows every figure as it comes, and
// what it shows when all has come is right, but for what only time can tell.
func TestConsumerBeforeProducer(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, 0)
	consumer := p.start("consume")
	p.await(1, "select count(*) from tidemark_tasks")
	p.produce(dir)
	p.expectLive(want)
	p.interrupt(consumer)
	p.consume()
	p.expect(want)
}
