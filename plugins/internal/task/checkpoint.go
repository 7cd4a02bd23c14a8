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
}

// Append appends the checkpoint in its stored form: the watermark as a varint,
// whether a record was seen in a byte; the number of sources and for each its topic,
// its identity, partition, next offset and largest event time; the number of account lines and
// for each operator, topic, the number of counts and the counts.
func (c *Checkpoint) Append(b []byte) []byte {
	b = binary.AppendVarint(b, int64(c.Position.Watermark))
	seen := byte(0)
	if c.Position.SeenRecord {
		seen = 1
	}
	b = binary.AppendUvarint(append(b, seen), uint64(len(c.Position.Sources)))
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
	c := &Checkpoint{}
	c.Position.Watermark = event.Time(r.Varint())
	seen := r.Bytes(1)
	c.Position.SeenRecord = len(seen) == 1 && seen[0] == 1
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
