package host

import "time"

// idleness measures how long partitions have stood at their confirmed end while
// the task had other work. A partition turns idle only by confirmations: time in
// which the broker was silent, or the task itself stood still behind a stalled
// output, does not count, since only maxGap is credited between two of them.
type idleness struct {
	timeout time.Duration
	parts   []standing
	// delivered is when the task last received a record from any partition.
	delivered time.Time
}

type standing struct {
	confirmed time.Time // the last confirmation, zero when the partition delivered since
	stood     time.Duration
	due       bool // it had stood for the timeout when another partition delivered
}

// maxGap is the longest time between two confirmations that counts in full.
func (d *idleness) maxGap() time.Duration { return d.timeout / 4 }

// askEvery is how often the ends are asked for while a partition may turn idle.
func (d *idleness) askEvery() time.Duration { return max(d.timeout/20, time.Millisecond) }

func newIdleness(partitions int, timeout time.Duration) *idleness {
	return &idleness{timeout: timeout, parts: make([]standing, partitions)}
}

// still tells whether no partition has delivered for the timeout: then the
// watermark stands, and nothing turns idle.
func (d *idleness) still(now time.Time) bool {
	return now.Sub(d.delivered) >= d.timeout
}

// deliver notes that partition i delivered. When everything stood still before,
// the timers of all partitions start anew. Otherwise those that have stood long
// enough may turn idle: only what another partition delivers makes them so, since
// as long as all are silent the watermark stands.
func (d *idleness) deliver(i int, now time.Time) {
	still := d.still(now)
	for k := range d.parts {
		p := &d.parts[k]
		switch {
		case !still:
			p.due = p.stood >= d.timeout
		case !p.confirmed.IsZero():
			*p = standing{confirmed: now}
		}
	}
	d.delivered = now
	d.parts[i] = standing{}
}

// confirm notes that partition i stands at its end, and tells whether it is idle now.
func (d *idleness) confirm(i int, now time.Time) bool {
	p := &d.parts[i]
	if !p.confirmed.IsZero() {
		p.stood += min(now.Sub(p.confirmed), d.maxGap())
	}
	p.confirmed = now
	return p.due
}
