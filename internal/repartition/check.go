package repartition

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// check reads what the new topic has got since the last check, and compares all that
// it holds with all that was read from the old one.
func (c *topicCopy) check(ctx context.Context) error {
	ends, err := offsets(ctx, kadm.NewClient(c.job.Client).ListEndOffsets, c.To, c.job.Partitions)
	if err != nil {
		return err
	}
	if err := c.readBack(ctx, ends); err != nil {
		return err
	}
	switch more := c.stored.Records - c.read.Records; {
	case more > 0:
		return fmt.Errorf("%s holds %d %w: a broker was restarted and has stored some twice, or something else writes to it", c.To, more, errMore)
	case more < 0:
		return fmt.Errorf("%s lacks %d of the %d records that were copied", c.To, -more, c.read.Records)
	case !c.stored.Equal(c.read):
		return fmt.Errorf("%s does not hold what was copied: its checksum is %s, that of %s is %s", c.To, c.stored.Checksum(), c.From, c.read.Checksum())
	}
	return nil
}

func (c *topicCopy) readBack(ctx context.Context, ends []int64) error {
	if slices.Equal(c.checked, ends) {
		return nil
	}
	from := map[int32]kgo.Offset{}
	left := 0
	for p, end := range ends {
		if c.checked[p] < end {
			from[int32(p)] = kgo.NewOffset().At(c.checked[p])
			left++
		}
	}
	client, err := c.job.connect(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.To: from}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.KeepControlRecords(), // of somebody else: they must not hold up the reading
		kgo.FetchMaxBytes(mostRead), kgo.FetchMaxPartitionBytes(mostRead/4),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := lasting(fetches); err != nil {
			return fmt.Errorf("check the copy: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := &c.checked[r.Partition]
			if *at >= ends[r.Partition] {
				return // another's, behind the end: the next check counts it
			}
			if *at = r.Offset + 1; !r.Attrs.IsControl() {
				c.stored.add(r)
				c.job.Progress.done.Add(1)
			}
			if *at >= ends[r.Partition] {
				left--
			}
		})
	}
	return nil
}
