package window

import (
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/filter"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

// BenchmarkWindow counts and adds up payments by minute and type, and emits what has
// changed after each batch. The windows stay open for a week, as behind a join.
func BenchmarkWindow(b *testing.B) {
	paid, err := filter.Parse("this.payment_type != null")
	if err != nil {
		b.Fatal(err)
	}
	tasktest.Bench(b, func(s state.Backend) []task.Stage {
		return []task.Stage{{Label: "window", Op: New(Config{
			Label: "window", Size: event.Minute, Slide: event.Minute, AllowedLateness: 7 * event.Day,
			GroupBy: []string{"payment_type"}, ID: "event_id", OnUpdate: true,
			Aggregates: []Aggregate{{Name: "payments", Kind: Count, Where: paid}, {Name: "total_value", Kind: Sum, Field: "payment_value"}},
		}, s.Operator("window"))}}
	})
}
