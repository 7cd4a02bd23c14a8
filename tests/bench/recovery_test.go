package bench

import (
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// BenchmarkRecovery kills Tidemark half way through a backlog, starts it again at
// once, and measures to the first order beyond those that had been counted. All rows
// must be right in the end.
func BenchmarkRecovery(b *testing.B) {
	for range b.N {
		d := &drains{B: b, kafka: kit.Kafka(b)}
		d.load(setting(b, eventsEnv, 1_000_000))
		pg := d.database()
		c := d.command(pg, 0, "--stop-at-end")
		all := d.counted(pg, "oracle.funnel")
		first := kit.Start(b, c)
		for d.counted(pg, "order_funnel") < all/2 {
			if !first.Running() {
				b.Fatal("it ended before half of the orders were counted")
			}
			time.Sleep(20 * time.Millisecond)
		}
		first.Signal(b, syscall.SIGKILL)
		first.Wait(b, patience)
		before, began := d.counted(pg, "order_funnel"), time.Now()
		second := kit.Start(b, c)
		for d.counted(pg, "order_funnel") <= before && second.Running() {
			time.Sleep(20 * time.Millisecond)
		}
		recovered := time.Since(began)
		if r := second.Wait(b, patience); r.Code != 0 {
			b.Fatalf("exit code %d", r.Code)
		}
		d.check(pg, tidemarkEngine)
		b.ReportMetric(0, "ns/op") // a run's own time says nothing
		b.ReportMetric(float64(recovered.Milliseconds()), "ms-to-new-rows")
		b.ReportMetric(float64(before)/float64(all), "share-at-kill")
	}
}

// counted is how many orders a table has.
func (d *drains) counted(pg *kit.Database, table string) (n int64) {
	d.Helper()
	if err := pg.DB.QueryRowContext(d.Context(), "select coalesce(sum(total_orders), 0) from "+table).Scan(&n); err != nil {
		d.Fatal(err)
	}
	return n
}
