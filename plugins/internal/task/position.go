package task

import "github.com/tidemark-streams/tidemark/plugins/internal/event"

// Position is where a task stands: what a commit stores beside the state, so that
// another run goes on from there.
type Position struct {
	Watermark event.Time
	// SeenRecord tells whether the task ever merged a record.
	SeenRecord bool
	Sources    []SourcePosition
}

// SourcePosition is where a task stands in one source partition.
type SourcePosition struct {
	Topic string
	// Identity tells the topic from any other of its name.
	Identity  string
	Partition int32
	// Offset of the next record to merge.
	Offset int64
	// Seen is the largest event time that was merged.
	Seen event.Time
}

// Checkpoint tells where the task stands. Everything merged has been driven through
// the operators.
func (t *Task) Checkpoint() *Checkpoint {
	p := Position{Watermark: t.watermark, SeenRecord: t.any}
	for _, s := range t.Sources {
		p.Sources = append(p.Sources, SourcePosition{s.Topic, s.Identity, s.Partition, s.Next(), s.seen})
	}
	return &Checkpoint{p, t.Accounts(), t.from}
}

// Resume takes up the checkpoint of an earlier run, and lets the operators restore
// their state. It is called before the first record.
func (t *Task) Resume(c *Checkpoint) error {
	t.watermark, t.any, t.from = c.Position.Watermark, c.Position.SeenRecord, c.From
	for _, at := range c.Position.Sources {
		for _, s := range t.Sources {
			if s.Topic == at.Topic && s.Partition == at.Partition {
				s.seen = at.Seen
				s.Begin(at.Offset)
			}
		}
	}
	t.input.restore(c.Lines)
	t.chain.RestoreAccounts(c.Lines)
	return t.chain.Restore()
}
