package golden

import (
	"strings"
	"testing"
)

func TestParseCents(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "0.0": 0, "99.9": 9990, "144.0": 14400, "8.77": 877, "12": 1200, ".5": 50, "-0.00": 0,
		"1.004": 100, "1.005": 101, "1.0049": 100, "9999999999999.99": maxCents,
	} {
		if got, err := parseCents(in); err != nil || got != want {
			t.Errorf("parseCents(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "1.", "-1", "-0.01", "1e3", "abc", "1,5", " 1", "+1", "--1", "NaN", "10000000000000", strings.Repeat("9", 30)} {
		if got, err := parseCents(in); err == nil {
			t.Errorf("parseCents(%q) = %d, want an error", in, got)
		}
	}
}

func TestRatioRoundsHalfUp(t *testing.T) {
	for _, c := range []struct {
		a, scale, b int64
		want        string
	}{
		{1, 10000, 3, "33.33"}, {2, 10000, 3, "66.67"}, {1, 10000, 16, "6.25"}, {1, 10000, 32, "3.13"},
		{1, 10000, 800, "0.13"}, {5, 10000, 5, "100"}, {0, 10000, 7, "0"}, {7, 10000, 0, "0"},
		{1, 1, 2, "0.01"}, {1, 1, 3, "0"}, {7, 100, 2, "3.5"},
	} {
		if got := ratio(c.a, c.scale, c.b); got != c.want {
			t.Errorf("ratio(%d, %d, %d) = %s, want %s", c.a, c.scale, c.b, got, c.want)
		}
	}
}

func TestCanonicalNumber(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "0.00": "0", "-0.0": "0", "10": "10", "10.50": "10.5", "007": "7", "-3.10": "-3.1",
		"NaN": "NaN", "Infinity": "Infinity", "": "",
	} {
		if got := canonicalNumber(in); got != want {
			t.Errorf("canonicalNumber(%q) = %q, want %q", in, got, want)
		}
	}
}
