package changelog

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
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
	reader, err := l.reader(kgo.ReadUncommitted())
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	err = l.scan(ctx, reader, from, end, func(m *Marker) { generation = max(generation, m.Generation) })
	return generation, err
}
