package golden

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxDifferences is how many lines Diff gives for a view before it only counts.
const maxDifferences = 50

// Diff names every difference between the rows that should be there and those
// that are: view, key, column and both values. It returns nil when there is none.
// Rows may stand in any order. Above 50 lines a view's further differences are
// counted in one line.
func Diff(want, got Tables) []string { return diff(Views(), want, got) }

func diff(views []View, want, got Tables) []string {
	var lines []string
	for _, v := range views {
		ls := v.diff(want[v.Name], got[v.Name])
		if extra := len(ls) - maxDifferences; extra > 0 {
			ls = append(ls[:maxDifferences], fmt.Sprintf("%s: %d more differences", v.Name, extra))
		}
		lines = append(lines, ls...)
	}
	return lines
}

func (v View) diff(want, got []Row) []string {
	wanted, lines := v.index(want, "want")
	found, more := v.index(got, "got")
	lines = append(lines, more...)

	keys := map[string]bool{}
	for k := range wanted {
		keys[k] = true
	}
	for k := range found {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		w, inWant := wanted[k]
		g, inGot := found[k]
		switch {
		case !inGot:
			lines = append(lines, fmt.Sprintf("%s%s: row is missing, want %v", v.Name, k, w[v.Key:]))
		case !inWant:
			lines = append(lines, fmt.Sprintf("%s%s: row should not be there, got %v", v.Name, k, g[v.Key:]))
		default:
			for i, c := range v.Columns {
				if w[i] != g[i] {
					lines = append(lines, fmt.Sprintf("%s%s %s: want %s, got %s", v.Name, k, c.Name, w[i], g[i]))
				}
			}
		}
	}
	return lines
}

// index maps the rows by their printed key and names keys that stand twice.
func (v View) index(rows []Row, side string) (map[string]Row, []string) {
	byKey := make(map[string]Row, len(rows))
	var lines []string
	for _, r := range rows {
		k := v.key(r)
		if _, again := byKey[k]; again {
			lines = append(lines, fmt.Sprintf("%s%s: %s has the row twice", v.Name, k, side))
		}
		byKey[k] = r
	}
	slices.Sort(lines)
	return byKey, lines
}

// key prints the columns that identify a row: [window_start=… order_status=…].
func (v View) key(r Row) string {
	parts := make([]string, v.Key)
	for i := range parts {
		parts[i] = v.Columns[i].Name + "=" + r[i]
	}
	return "[" + strings.Join(parts, " ") + "]"
}
