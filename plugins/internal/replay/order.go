package replay

import (
	"cmp"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Ref points to one record of a replay.
type Ref struct {
	// Time is the record's event time.
	Time event.Time
	// Row is the record's place in its source, in file order.
	Row int32
	// Source is the number of the source; of records with equal times the one
	// with the smaller number is sent first.
	Source uint8
}

// Sort puts refs in the order of sending: event time, source, file order.
func Sort(refs []Ref) {
	slices.SortFunc(refs, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Row, b.Row))
	})
}
