package task

import (
	"encoding/binary"
	"fmt"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Checkpoint is what a commit stores of a task beside the state of its operators.
type Checkpoint struct {
	Position Position
	// Lines are the accounts of the input and the operators.
	Lines []Line
	// From is the event time before which rows are settled: the task reads events from
	// before it, as later rows are made of them, and emits no row and no reject that is
	// earlier. event.MinTime where it emits all.
	From event.Time
}

// Order is the order to compute rows anew from an event time on. The rows so far are those
// of the watermark, event.MinTime where nothing is known of them. Its stored form is that
// of a checkpoint without sources.
func Order(from, watermark event.Time) *Checkpoint {
	return &Checkpoint{Position: Position{Watermark: watermark}, From: from}
}

// IsOrder tells whether the checkpoint is such an order.
func (c *Checkpoint) IsOrder() bool { return len(c.Position.Sources) == 0 && c.From != event.MinTime }

// Settled is the watermark of the rows so far: none is missing that was due by then.
func (c *Checkpoint) Settled() event.Time {
	if c.IsOrder() { // which nobody has begun to carry out
		return min(c.From, c.Position.Watermark)
	}
	return c.Position.Watermark
}

// Begin makes the order the checkpoint of a task that begins with it. Delay is the longest
// time that its operators hold an event back: windows that were still open at the
// watermark are not settled, whatever the order says.
func (c *Checkpoint) Begin(delay event.Duration) {
	c.From = min(c.From, c.Position.Watermark.Add(-delay))
	c.Position.Watermark = event.MinTime
}

const (
	flagSeen = 1 << iota // a record was seen
	flagFrom             // From is not event.MinTime
)

// Append appends the checkpoint in its stored form: the watermark as a varint, a byte of
// flags, and From where it is not event.MinTime; the number of sources and for each its topic,
// its identity, partition, next offset and largest event time; the number of account lines and
// for each operator, topic, the number of counts and the counts.
func (c *Checkpoint) Append(b []byte) []byte {
	b = binary.AppendVarint(b, int64(c.Position.Watermark))
	flags := byte(0)
	if c.Position.SeenRecord {
		flags |= flagSeen
	}
	if c.From != event.MinTime {
		flags |= flagFrom
	}
	b = append(b, flags)
	if c.From != event.MinTime {
		b = binary.AppendVarint(b, int64(c.From))
	}
	b = binary.AppendUvarint(b, uint64(len(c.Position.Sources)))
	for _, s := range c.Position.Sources {
		b = binary.AppendUvarint(event.AppendText(event.AppendText(b, s.Topic), s.Identity), uint64(s.Partition))
		b = binary.AppendVarint(b, s.Offset)
		b = binary.AppendVarint(b, int64(s.Seen))
	}
	b = binary.AppendUvarint(b, uint64(len(c.Lines)))
	for _, l := range c.Lines {
		b = event.AppendText(event.AppendText(b, l.Operator), l.Topic)
		b = append(b, byte(len(l.Counts)))
		for _, n := range l.Counts {
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

// ReadCheckpoint reads what Append wrote.
func ReadCheckpoint(b []byte) (*Checkpoint, error) {
	r := event.NewReader(b)
	c := &Checkpoint{From: event.MinTime}
	c.Position.Watermark = event.Time(r.Varint())
	flags := r.Uvarint()
	c.Position.SeenRecord = flags&flagSeen != 0
	if flags&flagFrom != 0 {
		c.From = event.Time(r.Varint())
	}
	c.Position.Sources = make([]SourcePosition, r.Count())
	for i := range c.Position.Sources {
		c.Position.Sources[i] = SourcePosition{Topic: r.Text(), Identity: r.Text(), Partition: int32(r.Uvarint()), Offset: r.Varint(), Seen: event.Time(r.Varint())}
	}
	c.Lines = make([]Line, r.Count())
	for i := range c.Lines {
		l := &c.Lines[i]
		l.Operator, l.Topic = r.Text(), r.Text()
		n := r.Bytes(1)
		if len(n) != 1 || int(n[0]) > len(l.Counts) {
			return nil, fmt.Errorf("checkpoint: %w", event.ErrCorrupt)
		}
		for k := range int(n[0]) {
			l.Counts[k] = r.Varint()
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}
