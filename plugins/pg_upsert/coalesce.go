package pgupsert

import (
	"slices"
	"strings"
)

// coalesce keeps the newest row of each key and chains the others behind it,
// newest first. Postgres refuses to touch a row twice in one statement, and only
// the newest value counts; but when Postgres refuses that one, the next older
// one is what the table must show.
//
// The rows come back sorted by key: transactions that write side by side then
// lock rows in the same order, so they wait for each other but never in a circle.
// It sorts rows in place, which windows that were emitted in order are already.
func coalesce(rows []*row) []*row {
	slices.SortFunc(rows, func(a, b *row) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		if a.newer(b) {
			return -1
		}
		return 1
	})
	newest := make([]*row, 0, len(rows))
	for i, r := range rows {
		if i > 0 && rows[i-1].key == r.key {
			rows[i-1].older = r
		} else {
			newest = append(newest, r)
		}
	}
	return newest
}

// byNovelty parts rows into those that are probably the first of their keys and the
// others, in their order. No part is empty.
func byNovelty(rows []*row) (parts [][]*row) {
	n := 0
	for _, r := range rows {
		if r.first = r.first && r.older == nil; r.first {
			n++
		}
	}
	if n == 0 || n == len(rows) {
		return [][]*row{rows}
	}
	first, others := make([]*row, 0, n), make([]*row, 0, len(rows)-n)
	for _, r := range rows {
		if r.first {
			first = append(first, r)
		} else {
			others = append(others, r)
		}
	}
	return [][]*row{first, others}
}

// rowKey joins the texts of the key columns at places, none of which is null. Texts
// that Postgres takes for the same value are written alike by convert, except for
// decimals (1.5 and 1.50), which are trimmed here. Where two spellings of one value
// slip through, Postgres says so and bisect parts them.
func (s *texts) rowKey(cells []cell, types []columnType, places []int) string {
	if len(places) == 1 && !isDecimalType(types[places[0]]) {
		return cells[places[0]].text
	}
	key := s.scratch[:0]
	for i, p := range places {
		if i > 0 {
			key = append(key, 0) // no text that Postgres can store has it
		}
		if isDecimalType(types[p]) {
			key = appendTrimmed(key, cells[p].text)
		} else {
			key = append(key, cells[p].text...)
		}
	}
	s.scratch = key
	return s.keep(key)
}

func isDecimalType(t columnType) bool { return t.kind == kindNumeric && !t.array }

// appendTrimmed appends a decimal without the zeros that change nothing.
func appendTrimmed(to []byte, s string) []byte {
	if strings.ContainsAny(s, "eE") {
		return append(to, s...)
	}
	whole, fraction, _ := strings.Cut(unsigned(s), ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole == "" && fraction == "" {
		return append(to, '0')
	}
	if s[0] == '-' {
		to = append(to, '-')
	}
	to = append(append(to, whole...), '.')
	return append(to, fraction...)
}
