package changelog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// Hook takes part in a transaction: it may send requests with the producer id of
// the client, asked anew each time, and its error takes the transaction back.
type Hook func(ctx context.Context, cl *kgo.Client) error

// Config says which log to open, and on what.
type Config struct {
	Brokers []string
	// Topic and Partition are the task's part of the changelog.
	Topic     string
	Partition int32
	// TransactionalID is the task's own, the same in every process and run.
	TransactionalID string
	// Local is the task's local store, whose tables have not been opened. It stays the
	// caller's to close.
	Local *state.Local
	// KgoOpts are options for all clients, such as TLS; they come before the log's own.
	KgoOpts []kgo.Opt
	// Now is the wall clock.
	Now func() time.Time
	// Progress is told after each batch how many offsets of how many were restored.
	// May be nil.
	Progress func(restored, total int64)
	// Fenced is told when nobody else can commit any more, Restored when the local store is
	// the state of the last commit. Each may be nil.
	Fenced, Restored func()
	// After is a generation that the log's has to be greater than: one that stands elsewhere,
	// where the log that it came from is gone.
	After int64
	// Begin is the hook of the transaction that begins a generation, and is given the
	// marker of the last commit, nil for a new task. May be nil.
	Begin func(ctx context.Context, cl *kgo.Client, last *Marker) error
}

// A Log is the changelog of one task, and writes its commits. It is used by one
// goroutine.
//
// The idea: the changelog partition is the state. Every commit is one Kafka
// transaction of the keys that changed and, as its last record, the marker, which
// says how far in its input the task was and what it had emitted. The local store
// is a copy that lags behind by at most what was not applied yet; it knows up to
// which offset it is a copy, and is never asked what is true.
//
// Invariants:
//
//  1. One writer. Only the producer that was fenced in last can commit.
//  2. Whole commits. A reader of committed records that has come to the end of the
//     log has for every commit all of it or nothing, and the last marker it met
//     belongs to exactly the state it has.
//  3. The local store is the log up to an offset, wherever a crash strikes: what is
//     written to it names the offset behind it in the same batch, and a batch that
//     Pebble loses takes all later ones along.
//  4. The local store is no older than half of the time that tombstones are kept.
//     An older one may hold a key whose deletion can no longer be read.
//  5. Generations grow: whoever has begun has a number that no log of this task
//     had before, and its successor will read it, also where the broker took the
//     commit back that began it.
//
// Open takes these steps:
//
//	fence    InitProducerID with the task's transactional id: the coordinator
//	         raises the epoch, so that no earlier producer can commit any more (1),
//	         and answers only when the transaction that one left is settled:
//	         committed if it had come to commit, otherwise aborted
//	restore  ask for the end of the committed records, which now stands still; where a
//	         transaction is left open all the same, abort another one on top of it
//	         (overrule), and open anew
//	         empty the local store unless its offset lies in the log and it is
//	         young enough (4)
//	         read from its offset to the end, in batches, each with the offset
//	         behind it and the last marker (3); where the first thing read says that
//	         the store's last commit was aborted, from the start into an empty one
//	         look for generations in what was aborted behind the last commit (5)
//	begin    commit the last marker with the next generation (5)
//
// The order matters. Restored before the fence, the log could grow behind the
// reader's back; begun before the restore, the generation would be a guess. The
// end must be asked after the fence, for the same reason. Any step may fail; then
// nothing was promised, the log is closed and Open may be called again: a restore
// goes on where it stopped, as half a restore is a copy up to an offset too. Only
// begin has an outcome that may be unknown: a generation is then left out, no more.
//
// A commit takes these:
//
//	begin    locally, no request
//	produce  all changes, then the marker; wait until all are written
//	hook     the consumed offsets
//	end      EndTransaction: here the commit happens, or not
//	apply    changes, marker and offset to the local store in one batch
//
// What may fail, and what then:
//
//   - produce: the set is unfinished, the transaction stays open, and whoever opens
//     the log next aborts it by fencing. Nothing of it was visible.
//   - hook: the transaction is aborted, and if the broker confirms that, the log
//     stands as before (ErrAborted). This is the way of a generation error in
//     the middle of a rebalance, which the task survives: the same set is
//     committed again with the group's new metadata. Where the broker has not
//     carried out the commit before, which the abort would take back as well, the
//     log is dead instead.
//   - end: fenced (nothing happened), or no answer (unknown). Neither is guessed
//     at: the next Open fences, which settles the transaction, and reads what is.
//   - apply: the commit has happened. The local store is dropped (ErrLocal).
//   - a crash between end and apply: the local store is one commit behind, and the
//     next Open reads that commit from the log.
//
// After any error but ErrAborted the log is dead and answers everything with that
// error: the memory of the task may hold what the log does not, so the task drops
// its state together with the log, confirms that it is still its own, and opens
// anew. A dead log sends nothing more, not even an abort: its successor settles
// the transaction, and an abort that is late could only do harm.
//
// Two traps are the client's. Its EndTransaction goes by a list of partitions that
// the first transaction can overtake, and then aborts and reports success: see
// settle. And it heals some producer errors by a new InitProducerID
// in mid-transaction, which aborts what was produced before and would let the rest
// commit alone. So the producer's id and epoch are compared before the end with
// those at the begin.
//
// Alternatives that were rejected:
//
//   - Apply first, then the transaction: the local store would be ahead of the
//     log when the transaction fails, and nobody could take that back.
//   - Abort and go on after any error. Which errors leave client and coordinator
//     in the same state is a matter of versions of both; a restore from a warm
//     local store takes milliseconds.
//   - A transaction over the state only, offsets after it: two writes, so a crash
//     in between repeats or skips records.
//   - One producer for all tasks of a process: a task that moves elsewhere must be
//     fenced alone.
//   - A record as end mark of a restore in place of asking for the end: a
//     transaction more. The last thing in the log is the control record of the
//     last transaction, which compaction leaves there as it does not touch the
//     active segment; the reader keeps control records and so gets to the end.
//   - The time of the last commit from the records' timestamps: the broker's
//     retention goes by when a tombstone was cleaned, not by those; and what counts
//     is how long the copy was away.
//
// Not covered: an unclean leader election that loses acknowledged commits. The log
// has then become another one under the same identity; a local store that is ahead
// of it is noticed (its offset lies behind the end) until the log has grown again.
type Log struct {
	cfg        Config
	settings   settings
	producer   *kgo.Client
	generation int64
	committed  int64 // offset behind the last commit that was confirmed to us
	slabs      slabs
	err        error // why the log is dead

	// failpoint stops a commit in tests, as if the process had ended there.
	failpoint func(step) error
}

// step is a point in a commit.
type step string

const (
	afterProduce step = "produced"
	afterHook    step = "hook done"
	afterEnd     step = "ended"
)

// Open takes over the log of a task: fence, restore, begin. Afterwards the local
// store is the state of the last commit, whose marker is returned, nil for a new
// task; the log writes under the next generation. On an error nothing is left open,
// and Open may be called again.
func Open(ctx context.Context, cfg Config) (*Log, *Marker, error) {
	l := &Log{cfg: cfg, failpoint: func(step) error { return nil }}
	last, err := l.open(ctx)
	if err != nil {
		l.Close()
		return nil, nil, l.wrap(err)
	}
	return l, last, nil
}

func (l *Log) open(ctx context.Context) (*Marker, error) {
	reader, err := l.reader(kgo.ReadCommitted())
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	if l.settings, err = describe(ctx, kadm.NewClient(reader), l.cfg.Topic); err != nil {
		return nil, err
	}
	if err := l.fence(ctx); err != nil {
		return nil, fmt.Errorf("fence: %w", classify(err))
	}
	tell(l.cfg.Fenced)
	last, generation, err := l.restore(ctx, reader)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	tell(l.cfg.Restored)
	l.generation = max(generation, l.cfg.After) + 1
	if err := l.begin(ctx, last); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return last, nil
}

func tell(f func()) {
	if f != nil {
		f()
	}
}

func (l *Log) options(own ...kgo.Opt) []kgo.Opt {
	opts := append([]kgo.Opt{kgo.SeedBrokers(l.cfg.Brokers...), kgo.MaxBufferedRecords(bufferedRecords)}, l.cfg.KgoOpts...)
	return append(opts, own...)
}

// bufferedRecords is how many records of a commit wait in the client at a time: two
// batches of usual ones, one being made while the other is on its way.
const bufferedRecords = 8 << 10

func (l *Log) fence(ctx context.Context) (err error) {
	opts := []kgo.Opt{
		kgo.TransactionalID(l.cfg.TransactionalID),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.WithCompressor(compressors),
		kgo.ProducerLinger(0),
	}
	// A batch may be as large as the topic takes, as a value may need all of it.
	if n := l.settings.maxMessage; n > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(min(n, maxBatchBytes)))
	}
	if l.producer, err = kgo.NewClient(l.options(opts...)...); err != nil {
		return err
	}
	_, _, err = l.producer.ProducerID(ctx)
	return err
}

func (l *Log) begin(ctx context.Context, last *Marker) error {
	m := Marker{}
	if last != nil {
		m = *last
	}
	return l.write(ctx, nil, m, func(ctx context.Context, cl *kgo.Client) error {
		if l.cfg.Begin == nil {
			return nil
		}
		return l.cfg.Begin(ctx, cl, last)
	})
}

// Generation is the number under which the log writes.
func (l *Log) Generation() int64 { return l.generation }

// Close ends the log's client. A transaction that is open is left to the successor.
func (l *Log) Close() {
	if l.producer != nil {
		l.producer.Close()
	}
	if l.err == nil {
		l.err = errClosed
	}
}

func (l *Log) wrap(err error) error {
	return fmt.Errorf("changelog %s/%d: %w", l.cfg.Topic, l.cfg.Partition, err)
}

// local marks an error of the local store.
func local(err error) error {
	if err == nil || errors.Is(err, ErrLocal) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLocal, err)
}
