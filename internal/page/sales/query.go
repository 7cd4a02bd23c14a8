package sales

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-streams/tidemark/internal/page"
)

const (
	minute int64 = 60
	hour         = 60 * minute
	day          = 24 * hour
)

// ranges are the named lengths of time, in seconds; all is as long as the data.
var ranges = map[string]int64{
	"1h": hour, "6h": 6 * hour, "24h": day, "7d": 7 * day, "30d": 30 * day, "90d": 90 * day, "1y": 365 * day, allData: 0,
}

var buckets = map[string]int64{"minute": minute, "hour": hour, "day": day}

const (
	allData      = "all"
	auto         = "auto"
	defaultRange = "7d"
	// maxPoints is how many buckets an answer has at most, unless they are days already.
	maxPoints = 3000
	// maxDays bounds those: event times of bad data may lie anywhere.
	maxDays = 20000
	// Without a wish, buckets are minutes up to autoMinutes and hours up to autoHours.
	autoMinutes = 6 * hour
	autoHours   = 31 * day
)

// query is what is asked for: a named range or two times, and a bucket.
type query struct {
	name     string
	from, to time.Time // without a name
	bucket   string
}

// parse reads the parameters range, from, to and bucket.
func parse(values url.Values) (q query, err error) {
	for name := range values {
		if !slices.Contains([]string{"range", "from", "to", "bucket"}, name) {
			return q, fmt.Errorf("%w: there is no parameter %q", page.ErrQuery, name)
		}
	}
	q.bucket = values.Get("bucket")
	if q.bucket == "" {
		q.bucket = auto
	}
	if _, ok := buckets[q.bucket]; !ok && q.bucket != auto {
		return q, fmt.Errorf("%w: bucket %q: want auto, minute, hour or day", page.ErrQuery, q.bucket)
	}
	q.name = values.Get("range")
	from, to := values.Get("from"), values.Get("to")
	if from == "" && to == "" {
		if q.name == "" {
			q.name = defaultRange
		}
		if _, ok := ranges[q.name]; !ok {
			return q, fmt.Errorf("%w: range %q: want 1h, 6h, 24h, 7d, 30d, 90d, 1y or all", page.ErrQuery, q.name)
		}
		return q, nil
	}
	if q.name != "" {
		return q, fmt.Errorf("%w: either range or from and to", page.ErrQuery)
	}
	for _, t := range []struct {
		name, text string
		into       *time.Time
	}{{"from", from, &q.from}, {"to", to, &q.to}} {
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil || at.Year() < 1 || at.Year() > 9999 {
			return q, fmt.Errorf("%w: %s %q: want a time such as 2018-08-21T00:00:00Z", page.ErrQuery, t.name, t.text)
		}
		*t.into = at.UTC()
	}
	// Whole seconds, so that what is asked for is inside.
	q.from, q.to = q.from.Truncate(time.Second), q.to.Add(time.Second-1).Truncate(time.Second)
	if !q.from.Before(q.to) {
		return q, fmt.Errorf("%w: from has to lie before to", page.ErrQuery)
	}
	return q, nil
}

// values is the one way to ask for q.
func (q query) values() url.Values {
	v := url.Values{"bucket": {q.bucket}}
	if q.name != "" {
		v.Set("range", q.name)
	} else {
		v.Set("from", q.from.Format(time.RFC3339))
		v.Set("to", q.to.Format(time.RFC3339))
	}
	return v
}

// span is a time in whole buckets, in seconds since 1970; to is exclusive.
type span struct{ from, to, bucket int64 }

// within finds the time that q is about in data from first up to the start newest of the
// last window: named ranges count back from the end of the newest bucket, and two times
// are widened to whole buckets and cut to the data. The bucket is the finest of those
// from the wished one on that are not too many.
func (q query) within(first, newest int64) span {
	long := ranges[q.name]
	switch q.name {
	case allData:
		long = newest - first
	case "":
		long = min(q.to.Unix(), newest+1) - max(q.from.Unix(), first)
	}
	wish := buckets[q.bucket]
	if q.bucket == auto {
		switch {
		case long <= autoMinutes:
			wish = minute
		case long <= autoHours:
			wish = hour
		default:
			wish = day
		}
	}
	for _, b := range []int64{minute, hour} {
		if b < wish {
			continue
		}
		if s := q.inBuckets(b, first, newest, long); s.points() <= maxPoints {
			return s
		}
	}
	s := q.inBuckets(day, first, newest, long)
	s.from = max(s.from, s.to-maxDays*day)
	return s
}

// inBuckets is the time of the query in buckets of that length.
func (q query) inBuckets(b, first, newest, long int64) span {
	s := span{floor(first, b), floor(newest, b) + b, b}
	switch q.name {
	case allData:
	case "":
		s.from, s.to = max(s.from, floor(q.from.Unix(), b)), min(s.to, ceil(q.to.Unix(), b))
		s.to = max(s.from, s.to) // before or after all data: nothing
	default:
		s.from = floor(s.to-long, b)
	}
	return s
}

func (s span) points() int { return int((s.to - s.from) / s.bucket) }

// index is the number of the bucket that holds t.
func (s span) index(t int64) int { return int((t - s.from) / s.bucket) }

// starts are those of all buckets.
func (s span) starts() []int64 {
	list := make([]int64, s.points())
	for i := range list {
		list[i] = s.from + int64(i)*s.bucket
	}
	return list
}

// floor is the last multiple of step that is not after t, which may lie before 1970.
func floor(t, step int64) int64 {
	rest := t % step
	if rest < 0 {
		rest += step
	}
	return t - rest
}

func ceil(t, step int64) int64 { return -floor(-t, step) }

// bucketName is the name of a bucket's length.
func bucketName(length int64) string {
	for name, l := range buckets {
		if l == length {
			return name
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%d s", length))
}
