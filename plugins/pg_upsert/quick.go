package pgupsert

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// cell writes a value of a row as text that Postgres reads as type t. It is convert
// for values that never were in a map: the same text and the same errors, and for
// the kinds of value that columns usually take no other memory than that of texts.
func (s *texts) cell(t columnType, v event.Value) (cell, error) {
	if v.IsNull() {
		return cell{null: true}, nil
	}
	if !t.array {
		if c, ok := s.quick(t, v); ok {
			return c, nil
		}
	}
	return convert(t, v.Any())
}

// quick knows the values whose text is plain; of all others it says false.
func (s *texts) quick(t columnType, v event.Value) (cell, bool) {
	switch v.Kind() {
	case event.Int:
		switch t.kind {
		case kindInteger:
			if n := v.Int(); n<<(64-t.bits)>>(64-t.bits) != n {
				return cell{}, false
			}
		case kindNumeric, kindText, kindJSON:
		default:
			return cell{}, false
		}
		s.scratch = v.AppendNumber(s.scratch[:0])
	case event.Decimal:
		if t.kind != kindNumeric && t.kind != kindText && t.kind != kindJSON {
			return cell{}, false
		}
		s.scratch = v.AppendNumber(s.scratch[:0])
	case event.Float:
		f, _ := v.Float()
		switch {
		case t.kind == kindFloat:
			s.scratch = strconv.AppendFloat(s.scratch[:0], f, 'g', -1, 64)
		case (t.kind == kindNumeric || t.kind == kindText) && !math.IsNaN(f) && !math.IsInf(f, 0):
			s.scratch = strconv.AppendFloat(s.scratch[:0], f, 'f', -1, 64)
		default:
			return cell{}, false
		}
	case event.Bool:
		if t.kind != kindBoolean && t.kind != kindText && t.kind != kindJSON {
			return cell{}, false
		}
		return cell{text: strconv.FormatBool(v.Bool())}, true
	case event.Timestamp:
		if t.kind != kindTimestamp && t.kind != kindText {
			return cell{}, false
		}
		var ok bool
		if s.scratch, ok = appendInstant(s.scratch[:0], event.Time(v.Int())); !ok {
			return cell{}, false
		}
	case event.String: // lasts as long as the row
		text := v.Str()
		switch {
		case t.kind == kindText && strings.IndexByte(text, 0) < 0 && utf8.ValidString(text), t.kind == kindUUID && isPlainUUID(text):
			return cell{text: text}, true
		}
		return cell{}, false
	default:
		return cell{}, false
	}
	return cell{text: s.keep(s.scratch)}, true
}

// appendInstant writes an instant as instantText does; false for one that Postgres
// and RFC 3339 do not both know.
func appendInstant(to []byte, t event.Time) ([]byte, bool) {
	at := t.UTC()
	year, month, day := at.Date()
	if year < 1 || year > 9999 {
		return to, false
	}
	hour, minute, second := at.Clock()
	to = appendTwo(to, year/100)
	to = appendTwo(to, year%100)
	to = appendTwo(append(to, '-'), int(month))
	to = appendTwo(append(to, '-'), day)
	to = appendTwo(append(to, 'T'), hour)
	to = appendTwo(append(to, ':'), minute)
	to = appendTwo(append(to, ':'), second)
	if ms := at.Nanosecond() / 1e6; ms != 0 {
		to = appendTwo(append(to, '.', byte('0'+ms/100)), ms%100)
		for to[len(to)-1] == '0' {
			to = to[:len(to)-1]
		}
	}
	return append(to, 'Z'), true
}

func appendTwo(to []byte, n int) []byte { return append(to, byte('0'+n/10), byte('0'+n%10)) }

// isPlainUUID tells whether s is a UUID as uuidText writes it.
func isPlainUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}
