package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	arrived  = regexp.MustCompile(`\bin=(\d+)`)
	outcomes = regexp.MustCompile(`\b(?:passed|held|duplicate|late|orphan|invalid|future)=(\d+)`)
)

// accountAddsUp checks that a bounded run has printed what became of the events
// at each operator, and that none is missing.
func accountAddsUp(t testing.TB, output string) {
	t.Helper()
	accounts := 0
	for line := range strings.Lines(output) {
		in := arrived.FindStringSubmatch(line)
		if in == nil {
			continue
		}
		accounts++
		sum := int64(0)
		for _, outcome := range outcomes.FindAllStringSubmatch(line, -1) {
			sum += number(t, outcome[1])
		}
		if sum != number(t, in[1]) {
			t.Errorf("events are missing from an account, %d of %s are there: %s", sum, in[1], strings.TrimSpace(line))
		}
	}
	if accounts == 0 {
		t.Error("no account of the events was printed")
	}
}

func number(t testing.TB, digits string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
