package dedup

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Ids are stored in chunks of a bucket of event time: appended to, immutable once
// full, and dropped whole. So a commit writes what came since the last one and not
// a record per id, and expiry deletes chunks.

// chunkIDs is the most ids of a chunk: some ten kilobytes.
const chunkIDs = 512

// A chunk grows from firstBytes by leaps to chunkBytes, what chunkIDs ids take: with
// a distance of up to four bytes, idBytes each.
const (
	idBytes    = len(id{}) + 4
	firstBytes = 8 * idBytes
	chunkBytes = chunkIDs * idBytes
)

// place is the key of a chunk.
type place struct {
	bucket int64
	number uint32
}

// chunk is a list of ids with the distance of their event times from the bucket's start.
type chunk struct {
	n      int
	packed []byte // 16 bytes of id and an unsigned varint for each
}

func (c *chunk) add(k id, offset event.Duration) {
	if room := cap(c.packed) - len(c.packed); room < idBytes && room < chunkBytes-len(c.packed) {
		c.packed = slices.Grow(c.packed, min(4*len(c.packed)+firstBytes, chunkBytes)-len(c.packed))
	}
	c.packed = binary.AppendUvarint(append(c.packed, k[:]...), uint64(offset))
	c.n++
}

// each calls fn for every id.
func (c chunk) each(fn func(k id, offset event.Duration)) error {
	for b := c.packed; len(b) > 0; {
		if len(b) < len(id{}) {
			return event.ErrCorrupt
		}
		k := id(b)
		offset, n := binary.Uvarint(b[len(k):])
		if n <= 0 {
			return event.ErrCorrupt
		}
		fn(k, event.Duration(offset))
		b = b[len(k)+n:]
	}
	return nil
}

// chunkCodec is the stored form of chunks. The key is the number of the bucket in
// 8 bytes, big endian with the sign bit turned over, and the chunk's number within
// it in 4; so keys are ordered by event time. The value is the number of ids as an
// unsigned varint and then the ids as they lie in memory.
type chunkCodec struct{}

func (chunkCodec) AppendKey(b []byte, p place) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(p.bucket)^1<<63)
	return binary.BigEndian.AppendUint32(b, p.number)
}

func (chunkCodec) Key(b []byte) (place, error) {
	if len(b) != 12 {
		return place{}, event.ErrCorrupt
	}
	return place{int64(binary.BigEndian.Uint64(b) ^ 1<<63), binary.BigEndian.Uint32(b[8:])}, nil
}

func (chunkCodec) AppendValue(b []byte, c chunk) []byte {
	return append(binary.AppendUvarint(b, uint64(c.n)), c.packed...)
}

func (chunkCodec) Value(_ place, b []byte) (c chunk, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 {
		return c, event.ErrCorrupt
	}
	c.packed = append([]byte(nil), b[k:]...)
	err = c.each(func(id, event.Duration) { c.n++ })
	if err == nil && uint64(c.n) != n {
		err = fmt.Errorf("%w: a chunk of %d ids has %d", event.ErrCorrupt, n, c.n)
	}
	return c, err
}
