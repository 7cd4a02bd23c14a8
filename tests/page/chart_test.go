package page

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// table is a chart's table: a title per column, the first is the time's, and the values.
type table struct {
	Titles []string
	Rows   [][]string // the first is the bucket's start in seconds, the others as shown
}

// points are those of a chart, as its table shows them.
func (v *view) points(chart string) (points, []int64) {
	v.Helper()
	shown := kit.Eval[table](v.Tab, fmt.Sprintf(`(() => {
		const table = document.querySelector('[data-chart=%q] details table');
		if (!table) return {Titles: [], Rows: []};
		return {
			Titles: [...table.tHead.rows[0].cells].map(c => c.textContent),
			Rows: [...table.tBodies[0].rows].map(r => [...r.cells].map((c, i) => i ? c.textContent : c.dataset.value)),
		};
	})()`, chart))
	got, buckets := points{}, []int64{}
	for _, row := range shown.Rows {
		start, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil {
			v.Fatalf("%s: %v", chart, err)
		}
		buckets = append(buckets, start)
		for i, text := range row[1:] {
			for side, number := range numbers(text) { // two of a band
				value, err := strconv.ParseFloat(number, 64)
				if err != nil {
					v.Fatalf("%s: %q: %v", chart, text, err)
				}
				got.set(shown.Titles[i+1]+[]string{"", " at most"}[side], start, value)
			}
		}
	}
	slices.Sort(buckets)
	return got, buckets
}

// numbers are those of a text such as "R$ 1,234.00 – R$ 5.00"; none where it says that
// nothing is known.
func numbers(text string) []string {
	return regexp.MustCompile(`[0-9]+(?:\.[0-9]+)?`).FindAllString(strings.ReplaceAll(text, ",", ""), 2)
}

// differences names what is shown otherwise, and buckets that are left out.
func (p points) differences(got points, buckets []int64, about span, bucket time.Duration) []string {
	var diff []string
	for start := about.from.Unix(); start < about.to.Unix(); start += int64(bucket.Seconds()) {
		if _, found := slices.BinarySearch(buckets, start); !found {
			diff = append(diff, fmt.Sprintf("no bucket %s", time.Unix(start, 0).UTC()))
		}
	}
	names := map[string]bool{}
	for series := range p {
		names[series] = true
	}
	for series := range got {
		names[series] = true
	}
	for series := range names {
		starts := map[int64]bool{}
		for start := range p[series] {
			starts[start] = true
		}
		for start := range got[series] {
			starts[start] = true
		}
		for start := range starts {
			if p[series][start] != got[series][start] {
				diff = append(diff, fmt.Sprintf("%s at %s is %v, want %v", series, time.Unix(start, 0).UTC(), got[series][start], p[series][start]))
			}
		}
	}
	slices.Sort(diff)
	return diff[:min(len(diff), 12)]
}
