package pgupsert

import (
	"fmt"
	"reflect"
	"strings"
)

func arrayText(t columnType, v any) (string, error) {
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice || list.Type().Elem().Kind() == reflect.Uint8 {
		return "", mismatch(t, v)
	}
	element := t
	element.array, element.name = false, strings.TrimSuffix(t.name, "[]")
	cells := make([]cell, list.Len())
	for i := range cells {
		c, err := convert(element, list.Index(i).Interface())
		if err != nil {
			return "", fmt.Errorf("element %d: %w", i, err)
		}
		cells[i] = c
	}
	return arrayLiteral(element, cells), nil
}

// arrayLiteral writes a one-dimensional Postgres array of elements of type t.
func arrayLiteral(t columnType, cells []cell) string {
	size := 2
	for _, c := range cells {
		size += max(len(c.text), len("NULL")) + len(`"",`)
	}
	quoted := t.quoted()
	var b strings.Builder
	b.Grow(size)
	b.WriteByte('{')
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		switch {
		case c.null:
			b.WriteString("NULL")
		case quoted:
			writeQuoted(&b, c.text)
		default:
			b.WriteString(c.text)
		}
	}
	b.WriteByte('}')
	return b.String()
}

// writeQuoted writes an element in quotes, which all types allow: in them NULL, commas
// and spaces lose their meaning.
func writeQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	plain := 0 // where what is not written yet begins
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteString(s[plain:i])
			b.WriteByte('\\')
			plain = i
		}
	}
	b.WriteString(s[plain:])
	b.WriteByte('"')
}
