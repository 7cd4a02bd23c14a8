package pgupsert

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// The types that rows hold most travel in Postgres's binary form, which it takes at
// half the price of texts. Their cells hold that form from the start; of the others
// they hold texts. A statement sends a column whole in one way or the other.

// binary tells whether values of the type travel in binary form.
func (t columnType) binary() bool { return t.element() != 0 }

// element is the oid of the type in Postgres where it travels in binary form, else 0.
// The oids are those of pg_type.dat, which never change.
func (t columnType) element() uint32 {
	if t.array {
		return 0
	}
	switch t.kind {
	case kindInteger:
		switch t.bits {
		case 16:
			return 21
		case 32:
			return 23
		}
		return 20
	case kindTimestamp:
		return 1184
	case kindText:
		if t.name == "text" {
			return 25
		}
		return 1043
	}
	return 0
}

// postgresEpoch is the instant from which Postgres counts: the year 2000.
const postgresEpoch event.Time = 946_684_800_000

// firstInstant and lastInstant bound what Postgres and RFC 3339 both know: the years
// 1 to 9999.
const (
	firstInstant event.Time = -62_135_596_800_000
	lastInstant  event.Time = 253_402_300_799_999
)

// appendInteger writes an integer of so many bits.
func appendInteger(to []byte, n int64, bits int) []byte {
	switch bits {
	case 16:
		return binary.BigEndian.AppendUint16(to, uint16(n))
	case 32:
		return binary.BigEndian.AppendUint32(to, uint32(n))
	}
	return binary.BigEndian.AppendUint64(to, uint64(n))
}

// wired is the cell of type t whose text is c, in the form in which it travels. The
// text is one of convert.
func wired(t columnType, c cell) (cell, error) {
	if c.null || !t.binary() || t.kind == kindText {
		return c, nil
	}
	var n int64
	var err error
	bits := t.bits
	switch {
	case t.kind == kindInteger:
		n, err = strconv.ParseInt(c.text, 10, bits)
	case c.text == "infinity":
		n, bits = 1<<63-1, 64
	case c.text == "-infinity":
		n, bits = -1<<63, 64
	default:
		var at time.Time
		at, err = time.Parse(time.RFC3339Nano, c.text)
		n, bits = at.UnixMicro()-int64(postgresEpoch)*1000, 64
	}
	if err != nil {
		return cell{}, mismatch(t, c.text)
	}
	return cell{text: string(appendInteger(nil, n, bits))}, nil
}

// arrayParam is the statement's parameter that carries a column of type t.
func arrayParam(t columnType, cells []cell) any {
	switch {
	case t.binary():
		return binaryArray(t.element(), cells, appendText)
	case isDecimalType(t) && !slices.ContainsFunc(cells, func(c cell) bool { return !isPlainDecimal(c.text) }):
		return binaryArray(numericOID, cells, appendNumeric)
	}
	return arrayLiteral(t, cells)
}

func appendText(to []byte, text string) []byte { return append(to, text...) }

// binaryArray writes a one-dimensional array as array_recv of Postgres reads it, each
// of its elements by form.
func binaryArray(element uint32, cells []cell, form func(to []byte, text string) []byte) []byte {
	size, nulls := 20, uint32(0)
	for _, c := range cells {
		size += 4 + max(len(c.text), 16)
		if c.null {
			nulls = 1
		}
	}
	be := binary.BigEndian
	to := make([]byte, 0, size)
	if len(cells) == 0 {
		to = be.AppendUint32(to, 0) // dimensions
		to = be.AppendUint32(to, 0)
		return be.AppendUint32(to, element)
	}
	to = be.AppendUint32(to, 1)
	to = be.AppendUint32(to, nulls)
	to = be.AppendUint32(to, element)
	to = be.AppendUint32(to, uint32(len(cells)))
	to = be.AppendUint32(to, 1) // the first index
	for _, c := range cells {
		if c.null {
			to = be.AppendUint32(to, 1<<32-1)
			continue
		}
		at := len(to)
		to = form(be.AppendUint32(to, 0), c.text)
		be.PutUint32(to[at:], uint32(len(to)-at-4))
	}
	return to
}

// numericOID is the oid of numeric. Its cells hold texts, as keys are compared by them,
// and take their binary form when they are sent.
const numericOID = 1700

// isPlainDecimal tells whether a text of isDecimal, or none, has no exponent and is no
// longer than any amount.
func isPlainDecimal(s string) bool { return len(s) <= 64 && !strings.ContainsAny(s, "eE") }

// appendNumeric writes a plain decimal as numeric_recv of Postgres reads it: digits to
// the base of 10,000, of which the first counts 10,000^weight.
func appendNumeric(to []byte, s string) []byte {
	const group = 4 // decimals of a digit
	sign := uint16(0)
	if strings.HasPrefix(s, "-") {
		sign = 0x4000
	}
	whole, fraction, _ := strings.Cut(unsigned(s), ".")
	digits := func(n int) int { return (n + group - 1) / group }
	be := binary.BigEndian
	to = be.AppendUint16(to, uint16(digits(len(whole))+digits(len(fraction))))
	to = be.AppendUint16(to, uint16(digits(len(whole))-1))
	to = be.AppendUint16(to, sign)
	to = be.AppendUint16(to, uint16(len(fraction)))
	digit := uint16(0)
	for i := range len(whole) {
		digit = 10*digit + uint16(whole[i]-'0')
		if (len(whole)-i)%group == 1 {
			to, digit = be.AppendUint16(to, digit), 0
		}
	}
	for i := range digits(len(fraction)) * group {
		digit *= 10
		if i < len(fraction) {
			digit += uint16(fraction[i] - '0')
		}
		if i%group == group-1 {
			to, digit = be.AppendUint16(to, digit), 0
		}
	}
	return to
}
