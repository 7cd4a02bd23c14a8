package window

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// paneCodec is the stored form of panes. The key is the window's start in 8 bytes,
// big endian with the sign bit turned over, and the group; so panes are ordered by
// event time. The value is the values of the group, each after the number of them,
// and the accumulators in the order of the aggregates.
type paneCodec struct{ aggs []Aggregate }

func (paneCodec) AppendKey(b []byte, k paneKey) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(k.start)^1<<63), k.group...)
}

func (paneCodec) Key(b []byte) (paneKey, error) {
	if len(b) < 8 {
		return paneKey{}, event.ErrCorrupt
	}
	return paneKey{event.Time(binary.BigEndian.Uint64(b) ^ 1<<63), string(b[8:])}, nil
}

func (c paneCodec) AppendValue(b []byte, p pane) []byte {
	b = binary.AppendUvarint(b, uint64(len(p.group)))
	for _, v := range p.group {
		b = v.Append(b)
	}
	for i := range c.aggs {
		b = p.acc[i].append(b, &c.aggs[i])
	}
	return b
}

func (c paneCodec) Value(_ paneKey, b []byte) (pane, error) {
	r := event.NewReader(b)
	p := pane{group: make([]event.Value, r.Count()), acc: make([]accumulator, len(c.aggs))}
	for i := range p.group {
		p.group[i] = r.Value()
	}
	for i := range c.aggs {
		p.acc[i].read(r, &c.aggs[i])
	}
	return p, r.Err()
}

// append appends what the aggregate's kind uses: the number of samples, then
//
//	sum, min, max, avg  the value
//	first, last         the value, its event time and event id
//	distinct            the number of values and each of them, in order
//	collect             the number of values, and event time, event id and value of each
func (a *accumulator) append(b []byte, g *Aggregate) []byte {
	b = binary.AppendUvarint(b, uint64(a.n))
	switch g.Kind {
	case Sum, Min, Max, Avg:
		b = a.value.Append(b)
	case First, Last:
		b = a.value.Append(b)
		b = event.AppendText(binary.AppendVarint(b, int64(a.more().time)), a.more().id)
	case Distinct:
		b = binary.AppendUvarint(b, uint64(len(a.more().set)))
		for _, k := range slices.Sorted(maps.Keys(a.more().set)) {
			b = event.AppendText(b, k)
		}
	case Collect:
		b = binary.AppendUvarint(b, uint64(len(a.more().list)))
		for _, e := range a.more().list {
			b = event.AppendText(binary.AppendVarint(b, int64(e.time)), e.id)
			b = e.value.Append(b)
		}
	}
	return b
}

func (a *accumulator) read(r *event.Reader, g *Aggregate) {
	a.n = int64(r.Uvarint())
	switch g.Kind {
	case Sum, Min, Max, Avg:
		a.value = r.Value()
	case First, Last:
		a.value = r.Value()
		a.more().time, a.more().id = event.Time(r.Varint()), r.Text()
	case Distinct:
		n := r.Count()
		a.more().set = make(map[string]struct{}, n)
		for range n {
			a.more().set[r.Text()] = struct{}{}
		}
	case Collect:
		for range r.Count() {
			a.more().list = append(a.more().list, collected{time: event.Time(r.Varint()), id: r.Text(), value: r.Value()})
		}
	}
}

// Restore opens the panes that an earlier run left and marks them for emission: the
// rows that it wrote after its last commit are gone.
func (w *Window) Restore() error {
	return w.panes.Open(func(e *entry) bool {
		e.Value.dirty = true
		if w.cfg.OnUpdate {
			w.dirty = append(w.dirty, e)
		}
		w.openPane(e)
		return true
	})
}
