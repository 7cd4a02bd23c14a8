package join

import (
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

// BenchmarkJoin joins orders with their items and payments; about 17,000 are remembered.
func BenchmarkJoin(b *testing.B) {
	tasktest.Bench(b, func(s state.Backend) []task.Stage {
		return []task.Stage{{Label: "join", Op: New(Config{
			Key: "order_id", Anchor: tasktest.ShopOrders, Before: event.Hour, Within: 7 * event.Day,
			Streams: []Stream{{Name: "items", Topic: tasktest.ShopItems}, {Name: "payments", Topic: tasktest.ShopPayments}},
		}, s.Operator("join"))}}
	})
}
