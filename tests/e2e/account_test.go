package e2e

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// accountAddsUp reads the table that a bounded run prints at its end, a line per
// stream, operator and topic with the number of events that came in and then one
// number per outcome. It checks that no event is missing at any operator and
// returns how many records each stream has read.
func accountAddsUp(t testing.TB, output string) map[string]int64 {
	t.Helper()
	named := []string{"stream", "operator", "topic", "in"}
	read := map[string]int64{}
	var header []string
	for line := range strings.Lines(output) {
		cells := strings.Fields(line)
		if len(cells) > len(named) && slices.Equal(cells[:len(named)], named) {
			header = cells
			continue
		}
		if header == nil || len(cells) < len(header) {
			continue
		}
		in, outcomes := number(t, cells[3]), int64(0)
		for _, cell := range cells[len(named):len(header)] {
			outcomes += number(t, cell)
		}
		if outcomes != in {
			t.Errorf("%d of %d events are accounted for: %s", outcomes, in, strings.TrimSpace(line))
		}
		if cells[1] == "input" {
			read[cells[0]] += in
		}
	}
	if len(read) == 0 {
		t.Error("no account of the events was printed")
	}
	return read
}

func number(t testing.TB, digits string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
