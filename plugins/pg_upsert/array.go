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
	return arrayLiteral(cells), nil
}

// arrayLiteral writes a one-dimensional Postgres array. Every element is quoted,
// which all types allow, so that NULL, commas and spaces lose their meaning.
func arrayLiteral(cells []cell) string {
	size := 2
	for _, c := range cells {
		size += len(c.text) + 3
	}
	b := append(make([]byte, 0, size), '{')
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendElement(b, c)
	}
	return string(append(b, '}'))
}

func appendElement(b []byte, c cell) []byte {
	if c.null {
		return append(b, "NULL"...)
	}
	b = append(b, '"')
	for i := 0; i < len(c.text); i++ {
		if ch := c.text[i]; ch == '"' || ch == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c.text[i])
	}
	return append(b, '"')
}
