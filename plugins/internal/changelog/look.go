package changelog

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Last reads the marker of the task's last commit, nil where there is none, from the end
// of the log. It fences nobody and writes nothing: whoever has the task goes on. Of the
// config it needs what names the log and its brokers.
func Last(ctx context.Context, cfg Config) (last *Marker, err error) {
	l := &Log{cfg: cfg}
	if last, err = l.last(ctx); err != nil {
		return nil, l.wrap(err)
	}
	return last, nil
}

// firstLook is how many offsets before the end the last marker is looked for at first.
// It is the last record of its commit; only aborted transactions stand behind it.
const firstLook = 64

func (l *Log) last(ctx context.Context) (last *Marker, err error) {
	asker, err := l.reader(kgo.ReadCommitted())
	if err != nil {
		return nil, err
	}
	defer asker.Close()
	start, end, err := l.span(ctx, asker)
	if err != nil {
		return nil, err
	}
	for far := int64(firstLook); ; far *= 8 {
		from := max(start, end-far)
		err := l.markers(ctx, kgo.ReadCommitted(), from, end, func(m *Marker) { last = m })
		if err != nil || last != nil || from == start {
			return last, err
		}
	}
}

// Copy brings the local store, which is empty, to the last commit of the task and returns
// its marker, nil where there is none. Like Last it leaves whoever has the task in peace:
// what that one commits meanwhile is read too, as far as the copy comes by it.
//
// A log that goes on may be compacted behind the reader's back: a value that was read by
// nobody yet goes when a newer one stands behind the end that was asked for. So the end is
// asked for again until it stands still, or there is so little left to read that no
// compaction comes in between.
func Copy(ctx context.Context, cfg Config) (*Marker, error) {
	l := &Log{cfg: cfg}
	last, err := l.copy(ctx)
	if err != nil {
		return nil, l.wrap(err)
	}
	return last, nil
}

// copyRounds is how often the end is asked for: a commit of a running task is read in a
// fraction of the time that it takes until the next.
const copyRounds = 4

func (l *Log) copy(ctx context.Context) (*Marker, error) {
	reader, err := l.reader(kgo.ReadCommitted())
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	start, end, err := l.span(ctx, reader)
	if err != nil {
		return nil, err
	}
	c := copied{next: start, at: l.cfg.Now()}
	for round, read := 1, start; read < end && round <= copyRounds; round++ {
		if err := l.read(ctx, reader, &c, end); err != nil {
			return nil, err
		}
		read = end
		if _, end, err = l.span(ctx, reader); err != nil {
			return nil, err
		}
	}
	if len(c.marker) == 0 {
		return nil, nil
	}
	return ReadMarker(c.marker)
}

// span is the first offset of the log, and the first behind which a transaction may be
// open: what lies between is whole commits.
func (l *Log) span(ctx context.Context, cl *kgo.Client) (start, end int64, err error) {
	admin := kadm.NewClient(cl)
	if start, err = l.offset(ctx, admin.ListStartOffsets); err != nil {
		return 0, 0, err
	}
	end, err = l.offset(ctx, admin.ListCommittedOffsets)
	return start, end, err
}
