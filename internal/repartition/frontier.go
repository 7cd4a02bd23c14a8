package repartition

import "time"

// look is where the old partitions ended at one moment.
type look struct {
	at   time.Time
	ends []int64
}

// frontier decides how far the merge may go where producers still write. A record
// may pass an old partition of which nothing else is left if it lay in its own
// partition for longer than settle when the other one was seen to have nothing more:
// what belongs before it would be there by then. So the copy of a topic that grows
// stays a little behind, and is in event-time order as if its producers had ended.
type frontier struct {
	settle time.Duration
	aged   *look // at least settle older than last; nil before there is one
	next   *look // what aged will be
	last   *look
}

// see notes where the partitions end now, and tells whether one of them has grown.
func (f *frontier) see(l look) (grown bool) {
	if f.last != nil {
		for p, end := range l.ends {
			grown = grown || end > f.last.ends[p]
		}
	}
	if f.next != nil && l.at.Sub(f.next.at) >= f.settle {
		f.aged, f.next = f.next, nil
	}
	if f.next == nil {
		f.next = &l
	}
	f.last = &l
	return grown
}

// passes tells whether the record at an offset of partition p may pass partitions
// that stand at their end.
func (f *frontier) passes(p int, offset int64) bool {
	return f.aged != nil && offset < f.aged.ends[p]
}

// due is when another look lets more records pass.
func (f *frontier) due() time.Time { return f.next.at.Add(f.settle) }
