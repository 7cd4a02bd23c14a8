package avro

import (
	"encoding/json"
	"strconv"
	"strings"
)

// canonical writes the Parsing Canonical Form of a type as the Avro
// specification ("Transforming into Parsing Canonical Form") has it: logical
// types, docs and defaults do not count, names are full, a named type is
// written out where it is first used.
func canonical(b *strings.Builder, t *Type, seen map[string]bool) {
	switch t.Kind {
	case "union":
		b.WriteByte('[')
		for i, m := range t.Branches {
			if i > 0 {
				b.WriteByte(',')
			}
			canonical(b, m, seen)
		}
		b.WriteByte(']')
	case "array", "map":
		elem := "items"
		if t.Kind == "map" {
			elem = "values"
		}
		b.WriteString(`{"type":"` + t.Kind + `","` + elem + `":`)
		canonical(b, t.Elem, seen)
		b.WriteByte('}')
	case "record", "enum", "fixed":
		if seen[t.Name] {
			b.WriteString(quote(t.Name))
			return
		}
		seen[t.Name] = true
		canonicalNamed(b, t, seen)
	default:
		b.WriteString(quote(t.Kind))
	}
}

func canonicalNamed(b *strings.Builder, t *Type, seen map[string]bool) {
	b.WriteString(`{"name":` + quote(t.Name) + `,"type":"` + t.Kind + `"`)
	switch t.Kind {
	case "record":
		b.WriteString(`,"fields":[`)
		for i, f := range t.Fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"name":` + quote(f.Name) + `,"type":`)
			canonical(b, f.Type, seen)
			b.WriteByte('}')
		}
		b.WriteByte(']')
	case "enum":
		b.WriteString(`,"symbols":[`)
		for i, s := range t.Symbols {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(s))
		}
		b.WriteByte(']')
	case "fixed":
		b.WriteString(`,"size":` + strconv.Itoa(t.Size))
	}
	b.WriteByte('}')
}

func quote(s string) string {
	out, err := json.Marshal(s)
	if err != nil { // no string fails to marshal
		return `""`
	}
	return string(out)
}

// crcEmpty is the CRC-64-AVRO of nothing, which is also its polynomial.
const crcEmpty = 0xc15d213aa4d7a795

var crcTable = func() (t [256]uint64) {
	for i := range t {
		fp := uint64(i)
		for range 8 {
			fp = fp>>1 ^ crcEmpty&-(fp&1)
		}
		t[i] = fp
	}
	return
}()

// Rabin is the CRC-64-AVRO fingerprint of text, as the Avro specification
// ("Schema Fingerprints") defines it.
func Rabin(text string) uint64 {
	fp := uint64(crcEmpty)
	for i := range len(text) {
		fp = fp>>8 ^ crcTable[byte(fp)^text[i]]
	}
	return fp
}
