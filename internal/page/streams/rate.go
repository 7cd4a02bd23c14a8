package streams

import "time"

// rateWindow is how far back a throughput looks.
const rateWindow = 10 * time.Second

// rateGrace is how late the next count of a task at work may be: until then its rate is that
// up to its last one, and afterwards it fades.
const rateGrace = 2 * time.Second

// rate makes a throughput of the counts of a task as they are seen.
type rate struct{ counts []count }

// count is how many events a task had read at a time.
type count struct {
	at     time.Time
	events int64
}

// see notes a count. One that is less than before begins anew: the stream did.
func (r *rate) see(c count) {
	if n := len(r.counts); n > 0 {
		last := r.counts[n-1]
		if c == last || c.at.Before(last.at) {
			return
		}
		if c.events < last.events {
			r.counts = r.counts[:0]
		}
	}
	r.counts = append(r.counts, c)
}

// perSecond are the events a second up to now: those since the last count before the window,
// or since the first that there is. It forgets what is older.
func (r *rate) perSecond(now time.Time) float64 {
	for len(r.counts) > 1 && now.Sub(r.counts[1].at) >= rateWindow {
		r.counts = r.counts[1:]
	}
	n := len(r.counts)
	if n < 2 {
		return 0
	}
	first, last := r.counts[0], r.counts[n-1]
	until := now
	if now.Sub(last.at) < rateGrace {
		until = last.at
	}
	// A count long before the window is of a task that stood still until it.
	since := first.at
	if edge := now.Add(-rateWindow); since.Before(edge) && r.counts[1].at.After(edge) && r.counts[1].at.Sub(since) > rateGrace {
		since, until = edge, now
	}
	took := until.Sub(since).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(last.events-first.events) / took
}
