package pgupsert

import (
	"sort"
	"strings"
)

// coalesce keeps the newest row of each key and chains the others behind it,
// newest first. Postgres refuses to touch a row twice in one statement, and only
// the newest value counts; but when Postgres refuses that one, the next older
// one is what the table must show.
//
// The rows come back sorted by key: transactions that write side by side then
// lock rows in the same order, so they wait for each other but never in a circle.
func coalesce(rows []*row) []*row {
	newest := make(map[string]*row, len(rows))
	for _, r := range rows {
		head := newest[r.key]
		if head == nil || r.newer(head) {
			r.older = head
			newest[r.key] = r
			continue
		}
		for head.older != nil && head.older.newer(r) {
			head = head.older
		}
		r.older, head.older = head.older, r
	}
	out := make([]*row, 0, len(newest))
	for _, r := range newest {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].key < out[j].key })
	return out
}

// rowKey joins the texts of the key columns at places. Texts that Postgres takes
// for the same value are written alike by convert, except for decimals (1.5 and
// 1.50), which are trimmed here. Where two spellings of one value slip through,
// Postgres says so and bisect parts them.
func rowKey(cells []cell, types []columnType, places []int) string {
	var b strings.Builder
	for _, p := range places {
		text := cells[p].text
		if types[p].kind == kindNumeric && !types[p].array {
			text = trimDecimal(text)
		}
		b.WriteString(text)
		b.WriteByte(0) // no text that Postgres can store has it
	}
	return b.String()
}

func trimDecimal(s string) string {
	if strings.ContainsAny(s, "eE") {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign = "-"
	}
	whole, fraction, _ := strings.Cut(unsigned(s), ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole == "" && fraction == "" {
		return "0"
	}
	return sign + whole + "." + fraction
}
