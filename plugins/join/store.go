package join

import (
	"encoding/binary"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// heldCodec is the stored form of the children that wait for one anchor. The key is
// the join's key. The value is their number, and for each the number of its stream,
// its event time as a varint, the place of the record and the row.
type heldCodec struct {
	state.TextKey
	schemas *state.Schemas
}

func (c heldCodec) AppendValue(b []byte, held []child) []byte {
	b = binary.AppendUvarint(b, uint64(len(held)))
	for i := range held {
		h := &held[i]
		b = binary.AppendUvarint(b, uint64(h.stream))
		b = binary.AppendVarint(b, int64(h.row.Time))
		b = state.AppendSource(b, h.row.Source)
		b = c.schemas.AppendRow(b, h.row.Schema, h.row.Values)
	}
	return b
}

func (c heldCodec) Value(_ string, b []byte) ([]child, error) {
	r := event.NewReader(b)
	held := make([]child, r.Count())
	for i := range held {
		h := &held[i]
		h.stream = int(r.Uvarint())
		h.row = event.Row{Time: event.Time(r.Varint()), Watermark: event.MinTime, Source: state.ReadSource(r)}
		var err error
		if h.row.Schema, h.row.Values, err = c.schemas.ReadRow(r); err != nil {
			return nil, err
		}
	}
	return held, r.Err()
}

// Restore sets the timers of what an earlier run left. Anchors stay on the shelf
// until they are asked for.
func (j *Join) Restore() error {
	if err := j.schemas.Restore(j.known); err != nil {
		return err
	}
	err := j.anchors.Open(func(e *state.Entry[string, anchor]) bool {
		j.timers.Set(e.Value.time.Add(j.cfg.Within).Add(j.delay), due{e.Key, true})
		return false
	})
	if err != nil {
		return err
	}
	return j.held.Open(func(e *state.Entry[string, []child]) bool {
		key, held := e.Key, e.Value
		for i := range held {
			if held[i].stream >= len(j.cfg.Streams) {
				continue // the definition guards against this
			}
			j.timers.Set(held[i].row.Time.Add(j.cfg.Before).Add(j.delay), due{key, false})
		}
		return true
	})
}
