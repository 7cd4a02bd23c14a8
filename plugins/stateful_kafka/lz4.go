package statefulkafka

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// decompressor writes the blocks of an LZ4 frame straight to where they are read, while
// a reader of frames holds one or two blocks of up to 4 MB and copies them. What is not
// plain it leaves to the client's own.
type decompressor struct{ other kgo.Decompressor }

func newDecompressor() decompressor { return decompressor{kgo.DefaultDecompressor(records{})} }

// Decompress implements kgo.Decompressor.
func (d decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecLz4 {
		lent := records{}.GetDecompressBytes(src, codec)
		if to, ok := appendFrame(lent, src); ok {
			return to, nil
		}
	}
	return d.other.Decompress(src, codec)
}

// The form of a frame: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.
const (
	frameMagic       = 0x184D2204
	flagVersion      = 0b11_000000
	flagIndependent  = 1 << 5
	flagBlockSum     = 1 << 4
	flagContentSize  = 1 << 3
	flagDictionary   = 1 << 0
	blockNotPacked   = 1 << 31
	smallestBlockLog = 8 // the sizes of blocks are named 4 to 7 and are 64 kB to 4 MB
)

// appendFrame appends what a frame of independent blocks holds; false where src is no
// such frame. A batch of Kafka has a checksum of its own, so those of the frame are
// not looked at.
func appendFrame(to, src []byte) ([]byte, bool) {
	le := binary.LittleEndian
	if len(src) < 7 || le.Uint32(src) != frameMagic {
		return nil, false
	}
	flags, size := src[4], int(src[5]>>4&7)
	if flags&flagVersion != 1<<6 || flags&flagIndependent == 0 || flags&flagDictionary != 0 || size < 4 {
		return nil, false
	}
	src = src[7:]
	if flags&flagContentSize != 0 {
		if len(src) < 8 {
			return nil, false
		}
		src = src[8:]
	}
	for most := 1 << (2*size + smallestBlockLog); ; {
		if len(src) < 4 {
			return nil, false
		}
		n := le.Uint32(src)
		if src = src[4:]; n == 0 {
			return to, true
		}
		packed := n&blockNotPacked == 0
		n &^= blockNotPacked
		if uint64(len(src)) < uint64(n) {
			return nil, false
		}
		if !packed {
			to = append(to, src[:n]...)
		} else if to = appendBlock(to, src[:n], most); to == nil {
			return nil, false
		}
		if src = src[n:]; flags&flagBlockSum != 0 {
			if len(src) < 4 {
				return nil, false
			}
			src = src[4:]
		}
	}
}

// appendBlock appends what a block holds, at most so many bytes; nil where it is corrupt.
func appendBlock(to, block []byte, most int) []byte {
	for {
		if room := cap(to) - len(to); room > 0 { // the library cannot do with none
			n, err := lz4.UncompressBlock(block, to[len(to):len(to)+min(room, most)])
			if err == nil {
				return to[:len(to)+n]
			}
			if !errors.Is(err, lz4.ErrInvalidSourceShortBuffer) || room >= most {
				return nil
			}
		}
		to = slices.Grow(to, min(max(2*(cap(to)-len(to)), expansion*len(block)), most))
	}
}
