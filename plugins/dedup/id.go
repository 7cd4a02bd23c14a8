package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// id is a key in 16 bytes: a UUID packed, 32 hexadecimal digits packed and turned
// over, and of any other text the first half of its SHA-256. That two keys of a stream
// share one is less likely than that the machine errs.
type id [16]byte

// idOf packs a key. Only the canonical form of a UUID (36 characters, lower case) and
// digits in lower case are packed, so that different texts stay different keys.
func idOf(key string) (x id) {
	switch {
	case len(key) == 36 && key[8] == '-' && key[13] == '-' && key[18] == '-' && key[23] == '-' && x.unhex(key, true):
		return x
	case len(key) == 32 && x.unhex(key, false):
		for i := range x {
			x[i] = ^x[i] // not the id of the UUID of these digits
		}
		return x
	}
	sum := sha256.Sum256([]byte(key))
	copy(x[:], sum[:])
	return x
}

// digits are the values of hexadecimal digits, above 15 for other characters.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		d[c] = byte(i)
	}
	return d
}()

// unhex sets x to the number that key writes, with the dashes of a UUID if dashed, and
// tells whether it is one.
func (x *id) unhex(key string, dashed bool) bool {
	n, bad := 0, byte(0)
	for i := 0; i < len(key); i += 2 {
		if dashed && (i == 8 || i == 13 || i == 18 || i == 23) {
			i++
		}
		high, low := digits[key[i]], digits[key[i+1]]
		bad |= high | low
		x[n] = high<<4 | low
		n++
	}
	return bad < 16
}

func (x id) String() string { return hex.EncodeToString(x[:]) }

func (x *id) hash() uint64 {
	h := binary.LittleEndian.Uint64(x[:8])*0x9E3779B97F4A7C15 ^ binary.LittleEndian.Uint64(x[8:])
	h ^= h >> 32
	return h * 0xD6E8FEB86659FD93
}
