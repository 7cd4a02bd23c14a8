package console

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// clean replaces what a terminal would act upon rather than show: cells come from data.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// cells is how many cells of a terminal a text takes.
func cells(text string) (n int) {
	for _, r := range text {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut is the beginning of text that takes at most n cells.
func cut(text string, n int) string {
	for i, r := range text {
		if n -= runeCells(r); n < 0 {
			return text[:i]
		}
	}
	return text
}
