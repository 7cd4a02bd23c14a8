package pgupsert

import (
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// benchPlan writes a window of the kind that streams write most: a time, a text, and
// figures.
func benchPlan() *plan {
	numeric, _ := typeOf("numeric")
	p := &plan{ledger: true, keys: []int{0, 1}}
	cols := []column{{"window_start", typeTimestamp}, {"payment_type", typeText}, {"payments", typeBigint}, {"total_value", numeric}, {"max_value", numeric}}
	for _, c := range cols {
		p.types = append(p.types, c.typ)
	}
	p.rows = upsert{consts: []column{{colStream, typeText}, {colTask, typeInteger}}, cols: append(cols, column{colSeq, typeBigint})}
	return p
}

func benchBundle(n int) *host.Bundle {
	b := &host.Bundle{Schema: event.NewSchema("payments", "window_start", "window_end", "closes_at", "payment_type", "payments", "total_value", "max_value")}
	kinds := []string{"boleto", "credit_card", "debit_card", "voucher"}
	first := event.TimeOf(time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC))
	for i := range n {
		start := first.Add(event.Duration(i/len(kinds)) * event.Minute)
		b.Rows = append(b.Rows, event.Row{Time: start, Watermark: start, Schema: b.Schema, Values: []event.Value{
			event.TimestampOf(start), event.TimestampOf(start.Add(event.Minute)), event.TimestampOf(start.Add(3 * event.Minute)),
			event.StringOf(kinds[i%len(kinds)]), event.IntOf(int64(i * 7)), event.DecimalOf(int64(i)*12345, 2), event.DecimalOf(int64(i)*99, 2),
		}})
		b.Seqs = append(b.Seqs, int64(i+1))
	}
	return b
}

// prepare does with a batch all that comes before the database.
func prepare(batch service.MessageBatch, p *plan) {
	groups, _ := split(batch, p, &filler{plan: p})
	for _, g := range groups {
		p.rows.args(g.origin, cellsOf(coalesce(g.rows)))
	}
}

// A row of a bundle takes memory with the others of its batch, not by itself.
func TestRowsOfABundleAllocateTogether(t *testing.T) {
	const n = 1000
	p := benchPlan()
	m := service.NewMessage(nil)
	m.SetStructuredMut(benchBundle(n))
	batch := service.MessageBatch{stamped(m, 1, n)}
	if got := testing.AllocsPerRun(5, func() { prepare(batch, p) }); got > n/10 {
		t.Errorf("%v allocations for %d rows", got, n)
	}
}

// BenchmarkRows is what a row of a batch of 1000 costs on this side of the database:
// as a message of its own, as one of a bundle, and as one of a bundle in which each
// row comes twice, in no order.
func BenchmarkRows(b *testing.B) {
	const n = 1000
	bundle := benchBundle(n)
	message := func(v any, seq int64) *service.Message {
		m := service.NewMessage(nil)
		m.SetStructuredMut(v)
		return stamped(m, 1, seq)
	}
	var single service.MessageBatch
	for i := range bundle.Rows {
		single = append(single, message(bundle.Rows[i].Map(), bundle.Seqs[i]))
	}
	shuffled := &host.Bundle{Schema: bundle.Schema, Seqs: bundle.Seqs}
	for i := range n {
		shuffled.Rows = append(shuffled.Rows, bundle.Rows[i*7919%n/2])
	}
	for _, c := range []struct {
		name  string
		batch service.MessageBatch
	}{
		{"single", single},
		{"bundle", service.MessageBatch{message(bundle, n)}},
		{"shuffled", service.MessageBatch{message(shuffled, n)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := benchPlan()
			b.ReportAllocs()
			for b.Loop() {
				prepare(c.batch, p)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}
