package golden

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDiffNamesEveryKindOfDifference(t *testing.T) {
	row := func(start, conversion string) Row {
		return Row{start, start + "e", "1", "1", "1", "0", conversion, "100", "0", "0", "true"}
	}
	want := Tables{Funnel: {row("t1", "100"), row("t2", "100"), row("t3", "100")}}
	got := Tables{Funnel: {row("t4", "100"), row("t3", "99.99"), row("t1", "100"), row("t1", "100")}}
	lines := Diff(want, got)
	for i, part := range []string{
		"real_time_funnel[window_start=t1 window_end=t1e]: got has the row twice",
		"real_time_funnel[window_start=t2 window_end=t2e]: row is missing, want [1 1 1 0 100 100 0 0 true]",
		"real_time_funnel[window_start=t3 window_end=t3e] items_conversion_rate: want 100, got 99.99",
		"real_time_funnel[window_start=t4 window_end=t4e]: row should not be there, got [1 1 1 0 100 100 0 0 true]",
	} {
		if i >= len(lines) || lines[i] != part {
			t.Fatalf("line %d is not %q in:\n%s", i, part, strings.Join(lines, "\n"))
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d lines, want 4", len(lines))
	}
	if d := Diff(want, Tables{Funnel: slices.Clone(want[Funnel])}); d != nil {
		t.Errorf("equal tables differ: %v", d)
	}
}

func TestDiffLimitsItsText(t *testing.T) {
	want := Tables{}
	for i := range maxDifferences + 7 {
		start := fmt.Sprintf("t%03d", i)
		want[Hourly] = append(want[Hourly], Row{start, "1", "1", "1", "0", "100", "100", "0", "0", "0", "0"})
	}
	lines := Diff(want, nil)
	if n := len(lines); n != maxDifferences+1 || lines[n-1] != "hourly_funnel_summary: 7 more differences" {
		t.Errorf("%d lines, the last %q", n, lines[n-1])
	}
}
