package fanout

import (
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
	"github.com/tidemark-streams/tidemark/plugins/join"
	"github.com/tidemark-streams/tidemark/plugins/window"
)

// BenchmarkFanOut is a join with two windows behind it, and a window beside it.
func BenchmarkFanOut(b *testing.B) {
	windows := func(s state.Backend, label, field string) []task.Stage {
		return []task.Stage{{Label: label, Op: window.New(window.Config{
			Label: label, Size: event.Minute, Slide: event.Minute, ID: "event_id", OnUpdate: true,
			Aggregates: []window.Aggregate{{Name: "n", Kind: window.Count}, {Name: "sum", Kind: window.Sum, Field: field}},
		}, s.Operator(label))}}
	}
	tasktest.Bench(b, func(s state.Backend) []task.Stage {
		joined := task.Stage{Label: "join", Op: join.New(join.Config{
			Key: "order_id", Anchor: tasktest.ShopOrders, Before: event.Hour, Within: 7 * event.Day,
			Streams: []join.Stream{{Name: "items", Topic: tasktest.ShopItems}, {Name: "payments", Topic: tasktest.ShopPayments}},
		}, s.Operator("join"))}
		cohorts := task.Stage{Label: "cohorts", Op: New([][]task.Stage{
			windows(s, "by_price", "items.price"), windows(s, "by_payment", "payments.payment_value"),
		})}
		return []task.Stage{{Label: "results", Op: New([][]task.Stage{{joined, cohorts}, windows(s, "payments", "payment_value")})}}
	})
}

// BenchmarkBare is what fan_out itself costs: two branches in which nothing happens.
func BenchmarkBare(b *testing.B) {
	rows := tasktest.Shop(10_000)
	chain, _, err := task.NewChain([]task.Stage{{Label: "f", Op: New([][]task.Stage{{}, {}})}}, tasktest.ShopShape)
	if err != nil {
		b.Fatal(err)
	}
	var sink task.Sink
	b.ReportAllocs()
	for b.Loop() {
		chain.Process(rows, &sink)
		if len(sink.Rows) != 2*len(rows) {
			b.Fatal(len(sink.Rows))
		}
		sink.Rows = sink.Rows[:0]
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/event")
}
