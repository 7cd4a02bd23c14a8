package olistcsv

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Reject is a row that no event is sent for.
type Reject struct {
	// File and Line tell where the row stands.
	File string
	Line int
	// Rule is the rule that it breaks, one of a few, for counting.
	Rule string
	// Detail tells what is wrong with it.
	Detail string
	// Payload is the row's text, at most 4 KiB of it.
	Payload string
	// Time is the event time where it is known, else event.MinTime.
	Time event.Time
}

// The rules that a row can break.
const (
	RuleUnreadable   = "unreadable row"
	RuleMissing      = "missing value"
	RuleTime         = "unparsable time"
	RuleNumber       = "unparsable number"
	RuleNegative     = "negative number"
	RuleUnknownOrder = "unknown order"
)

// maxPayload bounds what a reject keeps of its row, in bytes.
const maxPayload = 4 << 10

// row reads the values of one record and remembers the first rule that it breaks.
type row struct {
	values   []string
	columns  []string
	validate bool
	loc      *time.Location
	rule     string
	detail   string
}

// broken notes a rule that no event can do without.
func (r *row) broken(rule, format string, args ...any) {
	if r.rule == "" {
		r.rule, r.detail = rule, fmt.Sprintf(format, args...)
	}
}

// violated notes a rule that only validation insists on.
func (r *row) violated(rule, format string, args ...any) {
	if r.validate {
		r.broken(rule, format, args...)
	}
}

// required is a text that must not be empty.
func (r *row) required(i int) string {
	if r.values[i] == "" {
		r.violated(RuleMissing, "%s is empty", r.columns[i])
	}
	return r.values[i]
}

// layouts of the times in the files; those without a zone are read in the replay's.
var layouts = []string{time.DateTime, time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05.999", time.DateOnly}

// ParseTime reads a time as the files have it. One without a zone is in loc.
func ParseTime(s string, loc *time.Location) (event.Time, bool) {
	for _, l := range layouts {
		// A record's timestamp cannot be before 1970.
		if t, err := time.ParseInLocation(l, s, loc); err == nil && t.Unix() >= 0 {
			return event.TimeOf(t), true
		}
	}
	return none, false
}

// time is an instant that no event can do without.
func (r *row) time(i int) event.Time {
	t, ok := ParseTime(r.values[i], r.loc)
	if !ok {
		r.broken(RuleTime, "%s is %s", r.columns[i], shown(r.values[i]))
	}
	return t
}

// optionalTime is an instant or, where the value is empty, none. Without
// validation an unparsable one is none as well.
func (r *row) optionalTime(i int) event.Time {
	t, ok := ParseTime(r.values[i], r.loc)
	if !ok && r.values[i] != "" {
		r.violated(RuleTime, "%s is %s", r.columns[i], shown(r.values[i]))
	}
	return t
}

// count is a 32-bit whole number, at least least.
func (r *row) count(i int, least int64) int64 {
	n, err := strconv.ParseInt(r.values[i], 10, 32)
	switch {
	case r.values[i] == "":
		r.broken(RuleMissing, "%s is empty", r.columns[i])
	case err != nil:
		r.broken(RuleNumber, "%s is %s", r.columns[i], shown(r.values[i]))
	case n < 0:
		r.violated(RuleNegative, "%s is %d", r.columns[i], n)
	case n < least:
		r.violated(RuleNumber, "%s is %d, the least is %d", r.columns[i], n, least)
	}
	return n
}

// money is an amount in cents, not negative.
func (r *row) money(i int) int64 {
	cents, ok := parseCents(r.values[i])
	switch {
	case r.values[i] == "":
		r.broken(RuleMissing, "%s is empty", r.columns[i])
	case !ok:
		r.broken(RuleNumber, "%s is %s", r.columns[i], shown(r.values[i]))
	case cents < 0:
		r.violated(RuleNegative, "%s is %s", r.columns[i], r.values[i])
	}
	return cents
}

// maxCents bounds an amount to the 15 digits of the schema's decimal(15,2).
const maxCents = 1e15

// parseCents reads an amount exactly: decimals after the second must be zeros.
func parseCents(s string) (int64, bool) {
	whole, frac, _ := strings.Cut(s, ".")
	if strings.Trim(frac, "0123456789") != "" || strings.Trim(whole, "+-")+frac == "" {
		return 0, false
	}
	if frac = strings.TrimRight(frac, "0"); len(frac) > 2 {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+(frac + "00")[:2], 10, 64)
	if err != nil || n >= maxCents || n <= -maxCents {
		return 0, false
	}
	return n, true
}

// money writes cents as a number with two decimals.
func money(cents int64) json.Number {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return json.Number(fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100))
}

// number fits n into 32 bits; the counts of a row do.
func number(n int64) int32 { return int32(max(math.MinInt32, min(n, math.MaxInt32))) }

// shown quotes a value for a message, shortened.
func shown(s string) string { return strconv.Quote(shorten(s, 60)) }

func shorten(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
