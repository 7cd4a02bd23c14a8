package join

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unsafe"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// anchor is what is remembered of an anchor event. Its row stays packed, in the form
// in which it is stored, and is unpacked for each row that it is joined to: there are
// many anchors at a time, and few are looked at twice in a while.
type anchor struct {
	time event.Time
	// packed has the numbers of joined children, of each stream in countBytes little
	// endian, and behind them, which never changes, the place of the record and the row.
	packed []byte
	row    int32 // where the row begins
}

const countBytes = 4

// pack makes an anchor of a row. It returns the anchor's key, too, which shares
// memory with it where it can.
func (j *Join) pack(r *event.Row, key string) (string, anchor) {
	b := append(j.buf[:0], make([]byte, countBytes*len(j.cfg.Streams))...)
	b = state.AppendSource(b, r.Source)
	row := len(b)
	b = j.schemas.AppendRow(b, r.Schema, r.Values)
	j.buf = b
	packed := bytes.Clone(b)
	return sharedKey(packed[row:], key), anchor{r.Time, packed, int32(row)}
}

// sharedKey is the key as it stands in the packed row, so that it takes no memory of its own.
func sharedKey(row []byte, key string) string {
	at := bytes.Index(row, unsafe.Slice(unsafe.StringData(key), len(key)))
	if at < 0 || key == "" {
		return strings.Clone(key)
	}
	return unsafe.String(&row[at], len(key))
}

// count is how many children of a stream have joined.
func (a *anchor) count(stream int) int64 {
	return int64(binary.LittleEndian.Uint32(a.packed[countBytes*stream:]))
}

func (a *anchor) add(stream int) {
	b := a.packed[countBytes*stream:]
	binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)+1)
}

// source is the place of the record, borrowed until Release.
func (j *Join) source(a *anchor) *event.Source {
	r := event.NewReader(a.packed[countBytes*len(j.cfg.Streams) : a.row])
	r.Bytes(r.Count()) // the topic: anchors have one
	if len(j.places) == cap(j.places) {
		j.places = make([]event.Source, 0, lentPlaces) // the ones before stay where they are
	}
	j.places = append(j.places, event.Source{Topic: j.cfg.Anchor, Partition: int32(r.Uvarint()), Offset: r.Varint()})
	return &j.places[len(j.places)-1]
}

const lentPlaces = 256

// Release takes back what was lent to the rows that have left the chain.
func (j *Join) Release() { j.places = j.places[:0] }

// anchorCodec is the stored form of anchors. The key is the join's key. The value
// is the event time as a varint, the place of the record, the number of streams and
// their counts as unsigned varints, and the row.
type anchorCodec struct {
	state.TextKey
	streams int
	schemas *state.Schemas
}

func (c anchorCodec) AppendValue(b []byte, a anchor) []byte {
	b = binary.AppendVarint(b, int64(a.time))
	b = append(b, a.packed[countBytes*c.streams:a.row]...)
	b = binary.AppendUvarint(b, uint64(c.streams))
	for i := range c.streams {
		b = binary.AppendUvarint(b, uint64(a.count(i)))
	}
	return append(b, a.packed[a.row:]...)
}

func (c anchorCodec) Value(_ string, b []byte) (anchor, error) {
	r := event.NewReader(b)
	a := anchor{time: event.Time(r.Varint())}
	source := b[len(b)-r.Len():]
	state.ReadSource(r)
	source = source[:len(source)-r.Len()]
	a.packed = make([]byte, countBytes*c.streams, countBytes*c.streams+r.Len()+len(source))
	for i := range r.Count() {
		if n := r.Uvarint(); i < c.streams {
			binary.LittleEndian.PutUint32(a.packed[countBytes*i:], uint32(n))
		}
	}
	a.packed = append(a.packed, source...)
	a.row = int32(len(a.packed))
	a.packed = append(a.packed, r.Bytes(r.Len())...)
	if err := r.Err(); err != nil {
		return a, err
	}
	return a, c.schemas.CheckRow(a.packed[a.row:])
}
