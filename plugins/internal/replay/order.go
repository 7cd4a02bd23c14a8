package replay

import (
	"cmp"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Ref is one sending of one record.
type Ref struct {
	// At is when the record is due, in event time: its event time, unless something
	// was injected.
	At event.Time
	// Row is the record's place in its source, in file order.
	Row int32
	// Source is the number of the source; of records with equal times the one
	// with the smaller number is sent first.
	Source uint8
	// Kind tells an ordinary sending from an injected one.
	Kind Kind
}

// Sort puts refs in the order of sending: time, source, file order.
func Sort(refs []Ref) {
	slices.SortFunc(refs, func(a, b Ref) int {
		if a.At != b.At {
			return cmp.Compare(a.At, b.At)
		}
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Row, b.Row), cmp.Compare(a.Kind, b.Kind))
	})
}
