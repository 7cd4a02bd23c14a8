package repartition

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Digest is a number for a set of records, whatever their order and place: the sum,
// modulo 2^128, of the records' SHA-256 over key, value, headers and timestamp. A
// record that is there twice counts twice. The zero value is that of no records.
type Digest struct {
	Records int64
	hi, lo  uint64
	buf     []byte
}

// add adds a record.
func (d *Digest) add(r *kgo.Record) {
	b := d.buf[:0]
	b = appendBytes(b, r.Key)
	b = appendBytes(b, r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		b = appendBytes(b, []byte(h.Key))
		b = appendBytes(b, h.Value)
	}
	b = binary.AppendVarint(b, r.Timestamp.UnixMilli())
	d.buf = b
	sum := sha256.Sum256(b)
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, binary.BigEndian.Uint64(sum[8:]), 0)
	d.hi, _ = bits.Add64(d.hi, binary.BigEndian.Uint64(sum[:]), carry)
	d.Records++
}

// appendBytes tells null from empty.
func appendBytes(b, field []byte) []byte {
	if field == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(field))+1)
	return append(b, field...)
}

// Equal tells whether both are of the same records.
func (d Digest) Equal(other Digest) bool {
	return d.Records == other.Records && d.hi == other.hi && d.lo == other.lo
}

// Checksum is the sum in hexadecimal digits.
func (d Digest) Checksum() string { return fmt.Sprintf("%016x%016x", d.hi, d.lo) }
