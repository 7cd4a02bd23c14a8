package changelog

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// reader makes a client that reads the log, once.
func (l *Log) reader(level kgo.IsolationLevel) (*kgo.Client, error) {
	return kgo.NewClient(l.options(
		kgo.FetchIsolationLevel(level),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchBytes),
		kgo.DisableFetchSessions(), // one partition
	)...)
}

// offset is what is listed for the log.
func (l *Log) offset(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (int64, error) {
	all, err := list(ctx, l.cfg.Topic)
	if err != nil {
		return 0, err
	}
	o, ok := all.Lookup(l.cfg.Topic, l.cfg.Partition)
	if !ok {
		return 0, errors.New("the partition does not exist")
	}
	return o.Offset, o.Err
}

// aborted is the greatest generation that wrote from one offset to another, where all
// that stands was aborted, 0 where there is none. It may have begun all the same: a
// broker that dies confirms a commit and may forget to carry it out. Then rows of that
// generation are in the tables, and its number must not be given again.
func (l *Log) aborted(ctx context.Context, from, end int64) (generation int64, err error) {
	err = l.markers(ctx, kgo.ReadUncommitted(), from, end, func(m *Marker) { generation = max(generation, m.Generation) })
	return generation, err
}

// markers calls fn for the markers from one offset to another, in their order.
func (l *Log) markers(ctx context.Context, level kgo.IsolationLevel, from, end int64, fn func(*Marker)) error {
	reader, err := l.reader(level)
	if err != nil {
		return err
	}
	defer reader.Close()
	reader.AddConsumePartitions(map[string]map[int32]kgo.Offset{
		l.cfg.Topic: {l.cfg.Partition: kgo.NewOffset().At(from)},
	})
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
			fn(m)
		}
	}
	return nil
}
