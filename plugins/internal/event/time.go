// Package event holds the values that flow through a task: compact rows with a
// schema, their event time, and the conversions from and to JSON-like values.
package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Time is an instant in event time: milliseconds since the Unix epoch, UTC.
// Watermarks and timers are instants too.
type Time int64

const (
	// MinTime is before every instant: the watermark of a task that has seen nothing.
	MinTime Time = math.MinInt64
	// MaxTime is after every instant: the watermark at the end of time.
	MaxTime Time = math.MaxInt64
)

// Duration is a span of event time in milliseconds.
type Duration int64

const (
	// Second, Minute, Hour and Day are spans of event time.
	Second Duration = 1000
	Minute          = 60 * Second
	Hour            = 60 * Minute
	Day             = 24 * Hour
)

// TimeOf truncates a wall-clock time to milliseconds.
func TimeOf(t time.Time) Time { return Time(t.UnixMilli()) }

// UTC is the instant as a time.Time. It must not be called on MinTime or MaxTime.
func (t Time) UTC() time.Time { return time.UnixMilli(int64(t)).UTC() }

// Add shifts an instant and saturates at MinTime and MaxTime, which stay where they are.
func (t Time) Add(d Duration) Time {
	switch {
	case t == MinTime || t == MaxTime:
		return t
	case d > 0 && t > MaxTime-Time(d):
		return MaxTime
	case d < 0 && t < MinTime-Time(d):
		return MinTime
	}
	return t + Time(d)
}

// String is RFC 3339 in UTC; the two ends of time print as -inf and +inf.
func (t Time) String() string {
	switch t {
	case MinTime:
		return "-inf"
	case MaxTime:
		return "+inf"
	}
	return t.UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

// Std is the span as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) * time.Millisecond }

// Text is the shortest form that ParseDuration reads: 7d, 1d12h, 1h30m, 90ms.
func (d Duration) Text() string {
	days, rest := d/Day, (d % Day).Std()
	if d < 0 || days == 0 {
		return short(d.Std())
	}
	text := strconv.FormatInt(int64(days), 10) + "d"
	if rest == 0 {
		return text
	}
	return text + short(rest)
}

// short leaves out the minutes and seconds that are none.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ParseDuration reads a Go duration in which a leading number of days may stand:
// 90s, 1h30m, 7d, 1d12h, 0.5d. The smallest unit is the millisecond; the longest
// duration is that of time.Duration, about 292 years.
func ParseDuration(s string) (Duration, error) {
	rest := strings.TrimSpace(s)
	sign := Duration(1)
	if strings.HasPrefix(rest, "-") {
		sign, rest = -1, rest[1:]
	}
	if rest == "" || rest[0] != '.' && (rest[0] < '0' || rest[0] > '9') {
		return 0, malformed(s)
	}
	var days time.Duration
	if head, tail, ok := strings.Cut(rest, "d"); ok {
		n, ok := ParseDecimal(head)
		if !ok || tail != "" && (tail[0] == '-' || tail[0] == '+') {
			return 0, malformed(s)
		}
		ns, ok := mul(n.Int(), int64(Day.Std())/pow10[min(n.Scale(), dayScale)])
		if !ok || n.Scale() > dayScale {
			return 0, fmt.Errorf("duration %q is too long or too fine", s)
		}
		days, rest = time.Duration(ns), tail
	}
	var more time.Duration
	if rest != "" {
		var err error
		if more, err = time.ParseDuration(rest); err != nil {
			return 0, malformed(s)
		}
	}
	total, ok := add(int64(days), int64(more))
	if !ok {
		return 0, fmt.Errorf("duration %q is too long", s)
	}
	if total%int64(time.Millisecond) != 0 {
		return 0, fmt.Errorf("duration %q is finer than a millisecond", s)
	}
	return sign * Duration(total/int64(time.Millisecond)), nil
}

// dayScale is how many decimal places a number of days may have to be a whole number of nanoseconds.
const dayScale = 11

func malformed(s string) error {
	return fmt.Errorf("%q is not a duration: want forms like 90s, 1h30m or 7d", s)
}
