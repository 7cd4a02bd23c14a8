package pgupsert

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// cell writes a value of a row as one of type t is sent. It is convert and wired for
// values that never were in a map: the same cell and the same errors, and for the
// kinds of value that columns usually take no other memory than that of texts.
func (s *texts) cell(t columnType, v event.Value) (cell, error) {
	if v.IsNull() {
		return cell{null: true}, nil
	}
	if !t.array {
		if c, ok := s.quick(t, v); ok {
			return c, nil
		}
	}
	return wiredOf(t, v.Any())
}

// quick knows the values whose form is plain; of all others it says false.
func (s *texts) quick(t columnType, v event.Value) (cell, bool) {
	switch v.Kind() {
	case event.Int:
		switch t.kind {
		case kindInteger:
			n := v.Int()
			if n<<(64-t.bits)>>(64-t.bits) != n {
				return cell{}, false
			}
			s.scratch = appendInteger(s.scratch[:0], n, t.bits)
			return cell{text: s.keep(s.scratch)}, true
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
		at := event.Time(v.Int())
		if t.kind != kindTimestamp || at < firstInstant || at > lastInstant {
			return cell{}, false
		}
		s.scratch = appendInteger(s.scratch[:0], int64(at-postgresEpoch)*1000, 64)
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
