package host

import (
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// delivery is news of one partition, in its order.
type delivery struct {
	part     int
	records  *task.Batch
	next     int64 // offset behind them, 0 without
	end      bool  // the broker confirmed that nothing follows
	finished bool  // a bounded run reads no further
	sees     bool  // and tells the largest event time of the whole input behind them:
	seen     event.Time
}

// Deliver hands records of partition i, nil for none, to the task. Next is the offset behind them
// and behind what else the partition holds there, such as control records. End tells
// that the broker has confirmed the end at next.
func (r *Runner) Deliver(i int, records *task.Batch, next int64, end bool) {
	records.Arrive(time.Now())
	r.post(delivery{part: i, records: records, next: next, end: end})
}

// ConfirmEnd tells that the broker confirmed the end of partition i behind all that was delivered.
func (r *Runner) ConfirmEnd(i int) { r.post(delivery{part: i, end: true}) }

// Finish tells that a bounded run delivers no more of partition i, of which everything
// before the offset next is read.
func (r *Runner) Finish(i int, next int64) { r.post(delivery{part: i, next: next, finished: true}) }

// See tells the largest event time of the input of which partition i is a share, behind
// everything that was delivered: see task.Source.See.
func (r *Runner) See(i int, seen event.Time) {
	r.mu.Lock()
	if n := len(r.inbox); n > 0 && r.inbox[n-1].part == i {
		last := &r.inbox[n-1]
		last.seen, last.sees = seen, true // while the task stands, such news must not pile up
	} else {
		r.inbox = append(r.inbox, delivery{part: i, seen: seen, sees: true})
	}
	r.mu.Unlock()
	r.rouse()
}

// CommitSoon asks for a commit as soon as everything that was delivered is merged.
func (r *Runner) CommitSoon() {
	r.mu.Lock()
	r.asksCommit = true
	r.mu.Unlock()
	r.rouse()
}

func (r *Runner) post(d delivery) {
	r.mu.Lock()
	if confirmation := d.records.Len() == 0 && d.next == 0 && !d.finished; !confirmation || !r.ended[d.part] {
		r.inbox = append(r.inbox, d)
	} // else the inbox says so already: while the task stands, confirmations must not pile up
	r.ended[d.part] = d.end
	r.mu.Unlock()
	r.rouse()
}

func (r *Runner) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// receive moves what the feed delivered to the sources of the task, up to records for
// which its operators are not prepared.
func (r *Runner) receive() {
	r.mu.Lock()
	if len(r.held) == 0 {
		r.held = r.inbox
		clear(r.ended)
	} else { // confirmations would pile up behind what is held
		r.held = append(r.held, r.inbox...)
	}
	r.inbox = nil
	r.hurry = r.hurry || r.asksCommit
	r.asksCommit = false
	r.mu.Unlock()
	n := 0
	for n < len(r.held) && r.task.Prepare(r.held[n].records) {
		n++
	}
	news := r.held[:n]
	if r.held = r.held[n:]; len(r.held) == 0 {
		r.held = nil
	}
	now := time.Now()
	settle := false
	for _, d := range news {
		s := r.task.Sources[d.part]
		s.Push(d.records)
		r.pushed[d.part] += int64(d.records.Len())
		s.Reach(d.next)
		if d.records.Len() > 0 {
			r.idle.deliver(d.part, now)
		}
		if d.end {
			s.AtEnd()
			if s.IsAtEnd() && !s.IsIdle() && r.idle.confirm(d.part, now) {
				s.SetIdle()
				settle = true
			}
		}
		if d.sees {
			s.See(d.seen)
			settle = true
		}
		if d.finished {
			s.Finish()
			settle = true
		}
	}
	if settle {
		r.task.Settle(&r.sink)
	}
}

func (r *Runner) drained() {
	for i, s := range r.task.Sources {
		r.feed.Drained(i, r.pushed[i]-int64(s.Len()))
	}
}
