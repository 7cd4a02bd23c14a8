package event

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// ErrCorrupt says that stored bytes are not what this package wrote.
var ErrCorrupt = errors.New("corrupt value")

// Append appends v in its stored form: the kind, then
//
//	null                  nothing
//	bool, int, timestamp  a varint
//	float                 8 bytes, little endian
//	decimal               the scale in a byte, then the unscaled number as a varint
//	string, JSON          the length as an unsigned varint, then the text
func (v Value) Append(b []byte) []byte {
	b = append(b, byte(v.kind))
	switch v.kind {
	case Bool, Int, Timestamp:
		return binary.AppendVarint(b, v.num)
	case Float:
		return binary.LittleEndian.AppendUint64(b, uint64(v.num))
	case Decimal:
		return binary.AppendVarint(append(b, v.scale), v.num)
	case String, JSON:
		return AppendText(b, v.str)
	}
	return b
}

// AppendText appends a text with its length.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Reader reads what Append wrote. After the first error it returns zero values;
// Err tells of it. What it returns shares no memory with the bytes, unless it is told to.
type Reader struct {
	b     []byte
	bad   bool
	share bool
}

// NewReader reads b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// NewSharingReader reads b, which nobody changes any more: texts share its memory.
func NewSharingReader(b []byte) *Reader { return &Reader{b: b, share: true} }

// Err is ErrCorrupt when something could not be read, or bytes are left over.
func (r *Reader) Err() error {
	if r.bad || len(r.b) > 0 {
		return ErrCorrupt
	}
	return nil
}

// Len is the number of bytes that are left.
func (r *Reader) Len() int { return len(r.b) }

func (r *Reader) fail() { r.b, r.bad = nil, true }

// Varint reads a signed number.
func (r *Reader) Varint() int64 {
	n, k := binary.Varint(r.b)
	if k <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[k:]
	return n
}

// Uvarint reads an unsigned number.
func (r *Reader) Uvarint() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[k:]
	return n
}

// Count reads the number of things that follow. Each takes a byte at least, so a
// greater number than there are bytes is corrupt.
func (r *Reader) Count() int {
	n := r.Uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// Bytes reads n bytes. They share memory with what is read.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// Text reads a text with its length.
func (r *Reader) Text() string {
	b := r.Bytes(r.Count())
	if r.share && len(b) > 0 {
		return unsafe.String(&b[0], len(b))
	}
	return string(b)
}

// Value reads a value.
func (r *Reader) Value() Value {
	k := r.Bytes(1)
	if k == nil {
		return Value{}
	}
	v := Value{kind: Kind(k[0])}
	switch v.kind {
	case Null:
	case Bool, Int, Timestamp:
		v.num = r.Varint()
	case Float:
		if b := r.Bytes(8); b != nil {
			v.num = int64(binary.LittleEndian.Uint64(b))
		}
	case Decimal:
		if b := r.Bytes(1); b != nil && b[0] <= MaxScale {
			v.scale = b[0]
		} else {
			r.fail()
		}
		v.num = r.Varint()
	case String, JSON:
		v.str = r.Text()
	default:
		r.fail()
	}
	if r.bad {
		return Value{}
	}
	return v
}
