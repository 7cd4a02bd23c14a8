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
// Err tells of it. What it returns shares no memory with the bytes.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader reads b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

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
func (r *Reader) Text() string { return string(r.Bytes(r.Count())) }

// Unpack reads values that stand one behind the other and end where b does. Texts share
// memory with b, which nobody changes any more. It does what a Reader does, and is what
// rows of state are unpacked with.
func Unpack(b []byte, values []Value) error {
	for i := range values {
		if len(b) == 0 {
			return ErrCorrupt
		}
		v := Value{kind: Kind(b[0])}
		b = b[1:]
		n := 0
		switch v.kind {
		case Null:
		case Bool, Int, Timestamp:
			if v.num, n = binary.Varint(b); n <= 0 {
				return ErrCorrupt
			}
		case Float:
			if n = 8; len(b) < n {
				return ErrCorrupt
			}
			v.num = int64(binary.LittleEndian.Uint64(b))
		case Decimal:
			if len(b) == 0 || b[0] > MaxScale {
				return ErrCorrupt
			}
			v.scale = b[0]
			b = b[1:]
			if v.num, n = binary.Varint(b); n <= 0 {
				return ErrCorrupt
			}
		case String, JSON:
			size, k := uint64(0), 1
			if len(b) > 0 && b[0] < 0x80 {
				size = uint64(b[0]) // most are short
			} else if size, k = binary.Uvarint(b); k <= 0 {
				return ErrCorrupt
			}
			if size > uint64(len(b)-k) {
				return ErrCorrupt
			}
			if n = k + int(size); size > 0 {
				v.str = unsafe.String(&b[k], size)
			}
		default:
			return ErrCorrupt
		}
		b = b[n:]
		values[i] = v
	}
	if len(b) > 0 {
		return ErrCorrupt
	}
	return nil
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
