package event

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]Duration{
		"0s":        0,
		"0d":        0,
		" 0d ":      0,
		"1ms":       1,
		"90s":       90 * Second,
		"1h30m":     90 * Minute,
		"7d":        7 * Day,
		"1d12h":     36 * Hour,
		"0.5d":      12 * Hour,
		"0.7d":      60480 * Second,
		"0.1d":      8640 * Second,
		"1.5s":      1500,
		" 2m ":      2 * Minute,
		"-1h":       -Hour,
		"-1d":       -Day,
		"-1d12h":    -36 * Hour,
		"100000d1h": 100000*Day + Hour,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseDurationErrors(t *testing.T) {
	const form = "is not a duration: want forms like 90s, 1h30m or 7d"
	for text, want := range map[string]string{
		"":          form,
		"d":         form,
		"7":         form,
		"7days":     form,
		"seven d":   form,
		"1w":        form,
		"infd":      form,
		"NaNd":      form,
		"1d-1h":     form,
		"1d1d":      form,
		"1e3d":      form,
		"0x1p4d":    form,
		"1us":       "finer than a millisecond",
		"1.0005s":   "finer than a millisecond",
		"200000d":   "too long",
		"-200000d":  "too long",
		"106751d1d": form,
	} {
		_, err := ParseDuration(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

// TestParseDurationReadsWhatGoWrites: every Go duration of whole milliseconds means
// the same here, with and without its days written as such.
func TestParseDurationReadsWhatGoWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(-int64(10000*Day), int64(10000*Day)).Draw(t, "ms"))
		got, err := ParseDuration(d.Std().String())
		if err != nil || got != d {
			t.Fatalf("%v = %v, %v", d.Std(), got, err)
		}
		if days, rest := d/Day, d%Day; days > 0 {
			text := time.Duration(days).String()
			text = strings.TrimSuffix(text, "ns") // "12ns" is how Go writes 12; µs and up do not occur below 10000
			if strings.HasSuffix(text, "µs") {
				t.Skip("ten thousand days and more")
			}
			got, err := ParseDuration(text + "d" + rest.Std().String())
			if err != nil || got != d {
				t.Fatalf("%sd%v = %v, %v; want %v", text, rest.Std(), got, err, d)
			}
		}
	})
}

func TestTimeAddSaturates(t *testing.T) {
	for _, c := range []struct {
		t    Time
		d    Duration
		want Time
	}{
		{5, 3, 8}, {5, -7, -2},
		{MinTime, 1, MinTime}, {MinTime, -1, MinTime},
		{MaxTime, 1, MaxTime}, {MaxTime, -1, MaxTime},
		{MaxTime - 1, 2, MaxTime}, {MinTime + 1, -2, MinTime},
	} {
		if got := c.t.Add(c.d); got != c.want {
			t.Errorf("%d + %d = %d, want %d", c.t, c.d, got, c.want)
		}
	}
}

func TestTimeString(t *testing.T) {
	for at, want := range map[Time]string{
		MinTime: "-inf", MaxTime: "+inf", 0: "1970-01-01T00:00:00Z",
		-1: "1969-12-31T23:59:59.999Z", 1500: "1970-01-01T00:00:01.5Z",
	} {
		if got := at.String(); got != want {
			t.Errorf("%d prints as %s, want %s", int64(at), got, want)
		}
	}
	if got := TimeOf(time.UnixMilli(-1).Add(-time.Nanosecond)); got != -2 {
		t.Errorf("a time before 1970 is truncated to %d, want -2", got)
	}
}

// TestDurationText: the text of a duration is short, and reads as the duration.
func TestDurationText(t *testing.T) {
	for text, d := range map[string]Duration{
		"0s": 0, "1ms": 1, "90ms": 90, "1s": Second, "1.5s": 1500, "1m": Minute, "1m30s": 90 * Second, "1h": Hour, "1h30m": 90 * Minute,
		"1h0m1s": Hour + Second, "1d": Day, "7d": 7 * Day, "1d12h": 36 * Hour, "1d1ms": Day + 1, "10m": 10 * Minute, "20h": 20 * Hour,
	} {
		if got := d.Text(); got != text {
			t.Errorf("%d ms is %s, want %s", d, got, text)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(-1<<42, 1<<42).Draw(t, "ms"))
		if got, err := ParseDuration(d.Text()); err != nil || got != d {
			t.Fatalf("%d ms is %s, which is %d ms, %v", d, d.Text(), got, err)
		}
	})
}
