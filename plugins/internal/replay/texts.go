package replay

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// textBlock is the size of a block of texts in bytes, more than the longest value of
// a record takes.
const (
	textBlockBits = 17
	textBlock     = 1 << textBlockBits
	maxTextBlocks = 1 << (32 - textBlockBits)
)

var errTexts = errors.New("the texts of the selected rows take more than 4 GiB")

// Text is the place of a string in Texts. 0 is no place, and reads as an empty string.
type Text uint32

// Texts keeps many strings, none longer than 64 KiB, without a header, a pointer or
// an allocation for each. One of lower-case hex digits, as ids often are, takes half
// of its length.
type Texts struct {
	blocks [][]byte
	full   bool
}

// Err tells whether there were more texts than there is room for. Those that found
// none have become empty.
func (t *Texts) Err() error {
	if t.full {
		return errTexts
	}
	return nil
}

// String is the string at a place.
func (t *Texts) String(at Text) string {
	if at == 0 {
		return ""
	}
	b := t.stored(at)
	head, n := binary.Uvarint(b)
	if head&1 == 0 {
		return string(b[n:])
	}
	return hex.EncodeToString(b[n:])
}

// stored is the stored form of a text.
func (t *Texts) stored(at Text) []byte {
	b := t.blocks[at>>textBlockBits][at&(textBlock-1):]
	head, n := binary.Uvarint(b)
	return b[:n+int(head>>1)]
}

// add keeps a string in its stored form.
func (t *Texts) add(stored []byte) Text {
	last := len(t.blocks) - 1
	if last < 0 || len(t.blocks[last])+len(stored) > textBlock {
		if last+1 == maxTextBlocks {
			t.full = true
			return 0
		}
		block := make([]byte, 0, textBlock)
		if last++; last == 0 {
			block = append(block, 0) // no text lies at place 0
		}
		t.blocks = append(t.blocks, block)
	}
	at := Text(last<<textBlockBits | len(t.blocks[last]))
	t.blocks[last] = append(t.blocks[last], stored...)
	return at
}

// appendText appends the stored form of a string: a uvarint of twice the number of
// the bytes that follow, plus one where they stand for two hex digits each.
func appendText(to []byte, s string) []byte {
	if len(s)%2 == 0 && isHex(s) {
		to = binary.AppendUvarint(to, uint64(len(s))|1)
		for i := 0; i < len(s); i += 2 {
			to = append(to, digit(s[i])<<4|digit(s[i+1]))
		}
		return to
	}
	return append(binary.AppendUvarint(to, uint64(len(s))<<1), s...)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func digit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'a' + 10
}
