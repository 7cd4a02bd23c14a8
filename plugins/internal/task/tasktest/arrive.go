package tasktest

import (
	"cmp"
	"slices"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Arrive puts events into some order in which none comes after one that is later by
// more than bound, and sets their watermarks as a task with one source does.
func Arrive(t *rapid.T, rows []event.Row, bound event.Duration) []event.Row {
	type arrival struct {
		at  event.Time
		row event.Row
	}
	list := make([]arrival, len(rows))
	for i, r := range rows {
		list[i] = arrival{r.Time + event.Time(rapid.Int64Range(0, int64(bound)).Draw(t, "held up")), r}
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	out := make([]event.Row, len(rows))
	seen := event.MinTime
	for i, a := range list {
		seen = max(seen, a.row.Time)
		out[i] = a.row
		out[i].Watermark = seen.Add(-bound)
	}
	return out
}
