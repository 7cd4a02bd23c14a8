package changelog

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// Last is the marker of the last commit of each task of a consumer group, of those that
// have one; empty where the group has no changelog. It disturbs nobody who writes to it.
func Last(ctx context.Context, brokers []string, group string) (map[int32]*Marker, error) {
	l := &Log{cfg: Config{Brokers: brokers, Topic: Topic(group)}}
	reader, err := l.reader(kgo.ReadCommitted())
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	admin := kadm.NewClient(reader)
	starts, err := admin.ListStartOffsets(ctx, l.cfg.Topic)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListCommittedOffsets(ctx, l.cfg.Topic)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(starts.Error(), ends.Error()); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("changelog %s: %w", l.cfg.Topic, err)
	}
	last := map[int32]*Marker{}
	for p, end := range ends[l.cfg.Topic] {
		start, _ := starts.Lookup(l.cfg.Topic, p)
		for _, from := range []int64{max(start.Offset, end.Offset-lastOffsets), start.Offset} {
			m, err := l.last(ctx, reader, p, from, end.Offset)
			if err != nil {
				return nil, fmt.Errorf("changelog %s/%d: %w", l.cfg.Topic, p, err)
			}
			if m != nil {
				last[p] = m
				break
			}
		}
	}
	return last, nil
}

// lastOffsets from the end on, at most, the last marker is found in all but rare cases: it
// is the last record of its commit, and only what was aborted may follow.
const lastOffsets = 1000

// last is the last marker of a partition between two offsets.
func (l *Log) last(ctx context.Context, reader *kgo.Client, p int32, from, end int64) (m *Marker, err error) {
	l.cfg.Partition = p
	err = l.scan(ctx, reader, from, end, func(found *Marker) { m = found })
	return m, err
}

// scan reads the log from one offset to another, and tells of the markers.
func (l *Log) scan(ctx context.Context, reader *kgo.Client, from, end int64, tell func(*Marker)) error {
	reader.AddConsumePartitions(map[string]map[int32]kgo.Offset{
		l.cfg.Topic: {l.cfg.Partition: kgo.NewOffset().At(from)},
	})
	defer reader.RemoveConsumePartitions(map[string][]int32{l.cfg.Topic: {l.cfg.Partition}})
	for from < end {
		fetches := reader.PollRecords(ctx, loadRecords)
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			from = r.Offset + 1
			if r.Offset >= end || r.Attrs.IsControl() || string(r.Key) != state.MarkerKey || len(r.Value) == 0 {
				continue
			}
			m, err := ReadMarker(r.Value)
			if err != nil {
				return fmt.Errorf("offset %d: %w", r.Offset, err)
			}
			tell(m)
		}
	}
	return nil
}
