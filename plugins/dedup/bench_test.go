package dedup

import (
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

func BenchmarkDedup(b *testing.B) {
	tasktest.Bench(b, func(s state.Backend) []task.Stage {
		return []task.Stage{{Label: "dedup", Op: New(Config{Key: "event_id", TTL: 7 * event.Day}, s.Operator("dedup"))}}
	})
}
