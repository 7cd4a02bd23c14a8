package statefulkafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// records lends the Kafka clients of all sources what they decode their fetches into:
// records, and the bytes that those point to. Both live until batches are made of them.
type records struct{}

var (
	recordPool sync.Pool // of *[]kgo.Record
	bytePool   sync.Pool // of *[]byte
)

// GetRecords lends room for n records.
func (records) GetRecords(n int) []kgo.Record {
	if lent, ok := recordPool.Get().(*[]kgo.Record); ok && cap(*lent) >= n {
		return (*lent)[:0]
	}
	return make([]kgo.Record, 0, n+n/4) // and for a few more the next time
}

// PutRecords takes them back when all are recycled.
func (records) PutRecords(rs []kgo.Record) {
	rs = rs[:0]
	recordPool.Put(&rs)
}

// expansion is about what decompression makes of a byte.
const expansion = 2

// GetDecompressBytes lends room for what is decompressed.
func (records) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if lent, ok := bytePool.Get().(*[]byte); ok {
		return (*lent)[:0]
	}
	return make([]byte, 0, expansion*len(compressed))
}

// PutDecompressBytes takes it back when all records in it are recycled.
func (records) PutDecompressBytes(b []byte) {
	b = b[:0]
	bytePool.Put(&b)
}
