package repartition

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicCopy is the copy of one topic.
type topicCopy struct {
	Pair
	job     *Job
	batch   int32 // bytes that the new topic takes at once
	places  []*place
	began   []int64 // ends of the old partitions at the beginning
	ends    frontier
	told    bool // that the topic grows
	read    Digest
	keyless int64
	checked []int64 // offsets of the new topic that were read back
	stored  Digest
}

func (j *Job) newCopy(ctx context.Context, pair Pair, source topic) (*topicCopy, error) {
	c := &topicCopy{Pair: pair, job: j, batch: source.batchBytes(), ends: frontier{settle: j.Settle}, checked: make([]int64, j.Partitions)}
	starts, err := offsets(ctx, kadm.NewClient(j.Client).ListStartOffsets, pair.From, source.partitions)
	if err != nil {
		return nil, err
	}
	for _, start := range starts {
		c.places = append(c.places, &place{next: start})
	}
	_, err = c.look(ctx)
	c.began = c.ends.last.ends
	return c, err
}

// look asks where the old partitions end now, and tells whether one has grown.
func (c *topicCopy) look(ctx context.Context) (grown bool, err error) {
	ends, err := offsets(ctx, kadm.NewClient(c.job.Client).ListEndOffsets, c.From, int32(len(c.places)))
	if err != nil {
		return false, err
	}
	before := c.left()
	grown = c.ends.see(look{time.Now(), ends})
	if grown {
		c.job.Progress.total.Add(c.left() - before)
		if !c.told {
			c.told = true
			c.job.Log(fmt.Sprintf("%s has grown since the copy began: copying on until it stands still; stop its producers", c.From))
		}
	}
	return grown, nil
}

// left is how many offsets are still to be read.
func (c *topicCopy) left() (n int64) {
	if c.ends.last == nil {
		return 0
	}
	for p, at := range c.places {
		n += max(0, c.ends.last.ends[p]-at.next)
	}
	return n
}

// follow copies until the old topic stands still and everything is copied.
func (c *topicCopy) follow(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	readers := make([]*reader, len(c.places))
	for p, at := range c.places {
		r, err := c.job.newReader(c.From, int32(p), int32(len(c.places)), at)
		if err != nil {
			return err
		}
		defer r.client.Close()
		readers[p] = r
	}
	out, err := c.job.newWriter(c, fail)
	if err != nil {
		return err
	}
	defer out.close()
	if err := c.merge(ctx, readers, out.write); err != nil {
		return err
	}
	return out.flush(ctx)
}

// merge hands on the records of all old partitions in the order of event time.
func (c *topicCopy) merge(ctx context.Context, readers []*reader, write func(context.Context, *kgo.Record)) error {
	var next heads
	empty := make([]int, len(readers)) // partitions whose next record is not known
	for p := range empty {
		empty[p] = p
	}
	for {
		still := empty[:0]
		for _, p := range empty {
			rec, err := readers[p].read(ctx, c.ends.last.ends[p])
			if err != nil {
				return err
			}
			if rec == nil {
				still = append(still, p)
				continue
			}
			next.add(p, rec)
		}
		empty = still
		if len(next) > 0 && (len(empty) == 0 || c.ends.passes(next[0].part, next[0].Offset)) {
			h := next.take()
			write(ctx, h.Record)
			empty = append(empty, h.part)
			continue
		}
		if len(next) > 0 {
			if err := sleep(ctx, time.Until(c.ends.due())); err != nil {
				return err
			}
		}
		grown, err := c.look(ctx)
		if err != nil {
			return err
		}
		if len(next) == 0 && !grown {
			return nil
		}
	}
}

func (c *topicCopy) account() Copied {
	a := Copied{Pair: c.Pair, Old: int32(len(c.places)), Read: c.read, Stored: c.stored, Keyless: c.keyless}
	for p, at := range c.places {
		a.Skipped += at.skipped
		a.Meanwhile += c.ends.last.ends[p] - c.began[p]
	}
	return a
}
