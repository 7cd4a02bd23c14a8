package task

import (
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Source is one source partition of a task: the records that were fetched and not
// yet merged, and what the partition says about the passage of event time.
type Source struct {
	Topic     string
	Partition int32
	// Identity tells the topic from any other of its name; it may be empty.
	Identity string

	queue []*Batch // of the first one, the records from head on wait
	head  int
	n     int     // how many wait
	slot  uint8   // of the topic, 0 where there are too many
	count *Counts // what became of its records at the input

	// next is the offset behind the last record that was merged: where an earlier run
	// ended, or where reading began. reached is the offset behind everything that was
	// pushed, and behind what the partition holds beside records, such as control records.
	next, reached int64

	// seen is the largest event time that was merged, and of an input of which this is
	// a share the largest that had come by then.
	seen event.Time
	// ahead is the largest event time of such an input behind everything that was pushed.
	ahead event.Time
	// atEnd: the broker confirmed that nothing follows what was fetched.
	atEnd bool
	// idle: the partition has stood at its end while others delivered, and neither
	// holds the watermark nor the merge.
	idle bool
	// finished: a bounded run has read all that it will read here.
	finished bool
}

// Len is the number of records that wait to be merged.
func (s *Source) Len() int { return s.n }

// Push takes records in the order of the partition and tells that it is not at its end.
// The batch is the source's from now on.
func (s *Source) Push(b *Batch) {
	if b.Len() > 0 {
		s.queue = append(s.queue, b)
		s.n += b.Len()
		s.atEnd, s.idle = false, false
	}
}

// Arrived is when the batch came of which the next record to merge is, zero where none waits.
func (s *Source) Arrived() (at time.Time) {
	if s.Len() > 0 {
		at = s.queue[0].arrived
	}
	return at
}

// time is the event time of the record that is merged next; there is one.
func (s *Source) time() event.Time { return s.queue[0].time(s.head) }

// pop takes the first record off. Its source is put into place. The batch is told of
// which it was the last, and the arrival if there is one.
func (s *Source) pop(place *event.Source) (r event.Row, told *Arrival, spent *Batch) {
	b := s.queue[0]
	r, told = b.row(s.head, place, s.slot)
	s.head++
	s.n--
	if s.head == b.Len() {
		s.queue[0] = nil
		s.queue, s.head, spent = s.queue[1:], 0, b
	}
	return r, told, spent
}

// See tells the largest event time of the input of which the source is a share, behind
// everything that was pushed: so event time passes where others have the records.
func (s *Source) See(seen event.Time) { s.ahead = max(s.ahead, seen) }

// catchUp takes over what was told by See once everything before it is merged, and tells
// whether that was news.
func (s *Source) catchUp() bool {
	if s.Len() > 0 || s.ahead <= s.seen {
		return false
	}
	s.seen = s.ahead
	return true
}

// Reach tells that everything before the offset next was pushed.
func (s *Source) Reach(next int64) { s.reached = max(s.reached, next) }

// Next is the offset of the next record to merge.
func (s *Source) Next() int64 {
	if s.Len() == 0 {
		return max(s.next, s.reached)
	}
	return s.next
}

// Begin says where reading begins, unless the task resumes.
func (s *Source) Begin(next int64) { s.next, s.reached = next, next }

// AtEnd tells that the broker confirmed the end of the partition behind what was pushed.
func (s *Source) AtEnd() { s.atEnd = true }

// IsAtEnd tells whether the end is confirmed and everything before it is merged.
func (s *Source) IsAtEnd() bool { return s.atEnd && s.Len() == 0 }

// SetIdle takes the partition out of the watermark and the merge until its next record.
func (s *Source) SetIdle() { s.idle = true }

// IsIdle tells whether the partition is idle.
func (s *Source) IsIdle() bool { return s.idle }

// Finish tells that nothing more will be pushed.
func (s *Source) Finish() { s.finished = true }

// Done tells whether a bounded run is over here.
func (s *Source) Done() bool { return s.finished && s.Len() == 0 }

// Seen is the largest event time that was merged, event.MinTime before the first.
func (s *Source) Seen() event.Time { return s.seen }

// waited tells whether the merge has to wait for this source's next record.
func (s *Source) waited() bool { return s.Len() == 0 && !s.atEnd && !s.idle && !s.finished }

// holds tells whether the source holds the watermark.
func (s *Source) holds() bool { return !s.idle && !s.Done() }

// Task merges its sources by event time and drives the chain with them.
type Task struct {
	Sources []*Source
	// MaxOutOfOrderness is how far behind the largest event time of its partition a
	// record may be without being late.
	MaxOutOfOrderness event.Duration

	chain     *Chain
	watermark event.Time
	holder    *Source
	input     Account
	any       bool
	from      event.Time // rows and rejects before it are not emitted

	run    []event.Row    // rows that are merged and not yet driven through the chain
	places []event.Source // where they come from
	spent  []*Batch       // whose last record is among them
}

// New makes a task over chain. Sources stand in the order that breaks ties of event time.
func New(chain *Chain, sources []*Source, maxOutOfOrderness event.Duration) *Task {
	t := &Task{
		Sources: sources, MaxOutOfOrderness: maxOutOfOrderness,
		chain: chain, watermark: event.MinTime, from: event.MinTime, input: Account{Operator: "input"},
	}
	for i, s := range sources {
		s.seen, s.ahead = event.MinTime, event.MinTime
		if i+1 < slots {
			s.slot = uint8(i + 1)
		}
		s.count = t.input.of(s.Topic)
	}
	return t
}

// Watermark is the task's watermark: min over the sources that hold it of (largest
// event time seen - max_out_of_orderness). It never goes back.
func (t *Task) Watermark() event.Time { return t.watermark }

// Holder is the source that holds the watermark; nil where none does.
func (t *Task) Holder() *Source { return t.holder }

// HasSeenRecord tells whether the task ever merged a record.
func (t *Task) HasSeenRecord() bool { return t.any }

// Accounts are the accounts of the input and all operators.
func (t *Task) Accounts() []Line { return append(t.input.Lines(), t.chain.Accounts()...) }

// next is the source whose head comes next in event time; nil when the merge has
// to wait for a source or everything is empty.
func (t *Task) next() *Source {
	var first *Source
	var earliest event.Time
	for _, s := range t.Sources {
		if s.Len() == 0 {
			if s.waited() {
				return nil
			}
			continue
		}
		if at := s.time(); first == nil || at < earliest {
			first, earliest = s, at
		}
	}
	return first
}

// Step merges up to limit records and drives them through the chain. A record
// later than horizon lies in the future: it is rejected and moves nothing.
// Step returns the number of records that it took.
func (t *Task) Step(limit int, horizon event.Time, sink *Sink) int {
	n := 0
	for ; n < limit; n++ {
		s := t.next()
		if s == nil {
			break
		}
		if len(t.places) == cap(t.places) {
			t.places = make([]event.Source, 0, limit) // the ones before stay where they are
		}
		t.places = t.places[:len(t.places)+1]
		r, told, spent := s.pop(&t.places[len(t.places)-1])
		if spent != nil {
			t.spent = append(t.spent, spent)
		}
		s.next = r.Source.Offset + 1
		count := s.count
		if told != nil {
			if told.Seen > s.seen { // whatever becomes of the row itself
				s.seen = told.Seen
				t.advance(s)
			}
			if r.Source.Topic != s.Topic { // a feed may have records of several topics in one source
				count = t.input.of(r.Source.Topic)
			}
		}
		count[In]++
		if told != nil && told.Invalid != "" {
			count[Invalid]++
			r.Watermark = t.watermark
			sink.Rejects = append(sink.Rejects, Reject{"input", Invalid, told.Invalid, r})
			continue
		}
		if r.Time > horizon {
			count[Future]++
			r.Watermark = t.watermark
			sink.Rejects = append(sink.Rejects, Reject{"input", Future, "event time " + r.Time.String() + " lies beyond " + horizon.String(), r})
			continue
		}
		count[Passed]++
		t.any = true
		s.seen = max(s.seen, r.Time)
		t.advance(s)
		// A record that moved the watermark is later than it by max_out_of_orderness
		// at least, so judging it by the new watermark judges it as by the old one.
		r.Watermark = t.watermark
		t.run = append(t.run, r)
	}
	if n > 0 {
		if s := t.catchUp(); s != nil {
			t.advance(s)
		}
		t.drive(sink)
	}
	return n
}

// catchUp lets the sources take over what they were told by See. It returns one for which
// that was news, which holds the watermark as if it had a record, and nil if there is none.
func (t *Task) catchUp() (moved *Source) {
	for _, s := range t.Sources {
		if s.catchUp() {
			moved = s
		}
	}
	return moved
}

// advance moves the watermark to where the sources allow. The source of the record that is being
// merged holds the watermark even if that was its last: what the record is judged
// by must not depend on when it became known that none follows.
func (t *Task) advance(current *Source) {
	w := event.MaxTime
	var holder *Source
	for _, s := range t.Sources {
		if (s == current || s.holds()) && s.seen.Add(-t.MaxOutOfOrderness) < w {
			w, holder = s.seen.Add(-t.MaxOutOfOrderness), s
		}
	}
	t.holder = holder
	if holder != nil && w > t.watermark { // where all sources stand idle, the watermark stands
		t.watermark = w
	}
}

// drive lets the operators have the merged rows and the time that has passed.
func (t *Task) drive(sink *Sink) {
	if len(t.run) > 0 {
		t.chain.Process(t.run, sink)
		clear(t.run)
		t.run = t.run[:0]
	}
	t.places = t.places[:0]
	t.chain.Advance(t.watermark, sink)
	t.release(sink)
}

// release lets the memory of rows be used again, those of the operators and of records.
func (t *Task) release(sink *Sink) {
	if t.from != event.MinTime {
		sink.drop(t.from)
	}
	sink.Own()
	t.chain.Release()
	for i, b := range t.spent {
		b.free()
		t.spent[i] = nil
	}
	t.spent = t.spent[:0]
}

// Settle moves the watermark after a source became idle or finished, or was told of
// event time by See.
func (t *Task) Settle(sink *Sink) {
	before := t.watermark
	if t.advance(t.catchUp()); t.watermark > before {
		t.drive(sink)
	}
}

// Flush makes the operators emit what has changed, or a part of it, and tells whether
// there is more.
func (t *Task) Flush(sink *Sink) (more bool) {
	more = t.chain.Flush(t.watermark, sink)
	t.release(sink)
	return more
}

// End advances the watermark to the end of time: everything that is open closes.
func (t *Task) End(sink *Sink) {
	t.watermark = event.MaxTime
	t.drive(sink)
	for t.Flush(sink) {
	}
}
