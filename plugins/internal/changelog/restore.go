package changelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

const (
	// fetchBytes bounds what one answer of the broker holds, compressed.
	fetchBytes = 8 << 20
	// loadRecords and loadBytes bound what is written to the local store at once.
	loadRecords = 20_000
	loadBytes   = 4 << 20
	// clockSlack is how far the wall clock may have been put back since the last commit.
	clockSlack = time.Hour
)

// copied is what the local store knows about itself: of which part of the log it is
// a copy.
type copied struct {
	next   int64     // offset behind the last commit, or the last record that was read of one
	at     time.Time // no deletion behind next was written before
	told   bool      // a commit was told and not read: its control record comes next
	marker []byte    // of the last commit, empty where there was none yet
}

// append appends the stored form: the offset as an unsigned varint, the time in
// milliseconds since the Unix epoch as a varint, told as 0 or 1, the marker as it is
// in the log.
func (c copied) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.next))
	b = binary.AppendVarint(b, c.at.UnixMilli())
	told := byte(0)
	if c.told {
		told = 1
	}
	b = append(b, told)
	return append(b, c.marker...)
}

func readCopied(b []byte) (copied, error) {
	r := event.NewReader(b)
	c := copied{next: int64(r.Uvarint()), at: time.UnixMilli(r.Varint()), told: r.Uvarint() != 0}
	n := r.Len()
	c.marker = r.Bytes(n)
	return c, r.Err()
}

// restore brings the local store to the end of the log. It returns the marker of the last
// commit, nil where there was none yet, and the greatest generation that has begun.
func (l *Log) restore(ctx context.Context, reader *kgo.Client) (last *Marker, generation int64, err error) {
	now := l.cfg.Now() // before the end is asked for: no deletion behind the end is older
	start, end, err := l.bounds(ctx, reader)
	if err != nil {
		return nil, 0, err
	}
	c, err := l.takeUp(now, start, end)
	if err != nil {
		return nil, 0, local(err)
	}
	if c.next < end {
		err := l.read(ctx, reader, &c, end)
		if errors.Is(err, errUntrue) {
			if err := l.cfg.Local.Reset(); err != nil {
				return nil, 0, local(err)
			}
			c = copied{next: start, at: now}
			err = l.read(ctx, reader, &c, end)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if len(c.marker) > 0 {
		if last, err = ReadMarker(c.marker); err != nil {
			return nil, 0, err
		}
		generation = last.Generation
	}
	if c.next < end {
		aborted, err := l.aborted(ctx, c.next, end)
		if err != nil {
			return nil, 0, err
		}
		generation = max(generation, aborted)
	}
	return last, generation, nil
}

const (
	// settlePause is the time between two looks at a log that is not settled yet.
	settlePause = 20 * time.Millisecond
	// settleTime is how long the broker may take to settle a transaction. It is far
	// more than it needs.
	settleTime = 10 * time.Second
)

// bounds are the first offset of the log and its end. Only producers of our
// transactional id write to the log, and all before us are fenced: so an offset that
// is not stable belongs to a transaction that the broker is about to settle, and what
// lies behind it, such as the marker of a later commit, must not be missed.
func (l *Log) bounds(ctx context.Context, reader *kgo.Client) (start, end int64, err error) {
	admin := kadm.NewClient(reader)
	if start, err = l.offset(ctx, admin.ListStartOffsets); err != nil {
		return 0, 0, err
	}
	for began := l.cfg.Now(); ; {
		stable, err := l.offset(ctx, admin.ListCommittedOffsets)
		if err != nil {
			return 0, 0, err
		}
		high, err := l.offset(ctx, admin.ListEndOffsets)
		if err != nil {
			return 0, 0, err
		}
		if stable >= high {
			return start, stable, nil
		}
		if l.cfg.Now().Sub(began) > settleTime {
			return 0, 0, errors.Join(fmt.Errorf("%w: stable up to %d of %d", errHanging, stable, high), l.overrule(ctx))
		}
		timer := time.NewTimer(settlePause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, 0, fmt.Errorf("the log is not settled: stable up to %d of %d: %w", stable, high, ctx.Err())
		}
	}
}

// errHanging says that an open transaction stands in the log of which the coordinator
// knows nothing, as a broker that stops in the middle may leave it: nobody will end it.
var errHanging = errors.New("a transaction hangs; another is aborted on top of it")

// errUntrue says that the local store has a commit that the broker confirmed and did
// not keep: it was overruled.
var errUntrue = errors.New("the local store has a commit that was taken back")

// overrule aborts a transaction in which nothing is said. The end of a transaction ends
// whatever its producer had open in the partition, and the producer of our id is always
// the same; aborted, what hung there stays invisible, as it was, and as the offsets that
// went with it are. A local store may have it, as its commit was confirmed before the
// broker forgot to carry it out, and finds then that an abort follows (errUntrue).
func (l *Log) overrule(ctx context.Context) error {
	if err := l.producer.BeginTransaction(); err != nil {
		return classify(err)
	}
	if _, err := l.produce(ctx, nil, nil); err != nil {
		return err
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	if err := l.producer.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return classify(err)
	}
	return nil
}

// takeUp tells from where the local store has to be completed. One that cannot be
// is emptied.
func (l *Log) takeUp(now time.Time, start, end int64) (copied, error) {
	fresh := copied{next: start, at: now}
	stored, err := l.cfg.Local.Marker()
	if err != nil {
		return fresh, err
	}
	if stored != nil {
		c, err := readCopied(stored)
		age := now.Sub(c.at)
		if err == nil && c.next >= start && c.next <= end && age <= l.settings.tombstones/2 && age >= -clockSlack {
			return c, nil
		}
	}
	return fresh, l.cfg.Local.Reset()
}

// read copies the log from c on to the end. Each batch keeps c's time: the deletions
// behind it were written later than that, whatever was read since. It fails with
// errUntrue, before anything is written, where the log does not bear out what c holds.
func (l *Log) read(ctx context.Context, reader *kgo.Client, c *copied, end int64) error {
	from := c.next
	reader.AddConsumePartitions(map[string]map[int32]kgo.Offset{
		l.cfg.Topic: {l.cfg.Partition: kgo.NewOffset().At(from)},
	})
	// Only then does a second reading begin where it is told to.
	defer reader.RemoveConsumePartitions(map[string][]int32{l.cfg.Topic: {l.cfg.Partition}})
	var (
		at      = from // how far the log is read
		changes = make([]state.Change, 0, loadRecords)
		size    int
	)
	load := func() error {
		if err := l.cfg.Local.Load(changes, c.append(nil)); err != nil {
			return local(err)
		}
		clear(changes)
		changes, size = changes[:0], 0
		if l.cfg.Progress != nil {
			l.cfg.Progress(at-from, end-from)
		}
		return ctx.Err()
	}
	for at < end {
		fetches := reader.PollRecords(ctx, loadRecords)
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			if r.Offset >= end {
				break
			}
			at = r.Offset + 1
			if r.Attrs.IsControl() && !commits(r) {
				if c.told {
					return errUntrue
				}
				continue
			}
			c.next, c.told = at, false
			switch {
			case r.Attrs.IsControl():
				continue
			case string(r.Key) == state.MarkerKey:
				c.marker = r.Value
				continue
			case len(r.Key) == 0 || r.Key[0] == 0:
				return fmt.Errorf("offset %d: key %x: %w", r.Offset, r.Key, event.ErrCorrupt)
			}
			changes = append(changes, state.Change{Key: r.Key, Value: r.Value})
			if size += len(r.Key) + len(r.Value); size >= loadBytes {
				if err := load(); err != nil {
					return err
				}
			}
		}
		if err := load(); err != nil {
			return err
		}
	}
	return nil
}

// commits reports whether a control record ends a transaction with a commit. Its key is
// a version and a type, 16 bits each; type 0 is an abort.
// See https://kafka.apache.org/documentation/#controlbatch.
func commits(r *kgo.Record) bool {
	return len(r.Key) >= 4 && binary.BigEndian.Uint16(r.Key[2:]) == 1
}
