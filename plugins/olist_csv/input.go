package olistcsv

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

func init() {
	service.MustRegisterBatchInput("olist_csv", spec(), func(p *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		c, err := parseConfig(p)
		if err != nil {
			return nil, err
		}
		hub := host.HubOf(res)
		hub.Open() // a reload is a new beginning
		in := &input{
			config: c, fsys: os.DirFS(c.dir), hub: hub, summary: SummaryOf(res), log: res.Logger(),
			now: time.Now, wait: wait,
		}
		return service.AutoRetryNacksBatchedToggled(p, in)
	})
}

// CheckFiles tells whether the files of a dataset are there, without reading them.
func CheckFiles(dir string) error {
	for _, name := range []string{OrdersFile, ItemsFile, PaymentsFile} {
		if _, err := fs.Stat(os.DirFS(dir), name); err != nil {
			return fmt.Errorf("dataset %s: %w", dir, fileError(name, err))
		}
	}
	return nil
}

// input sends the rejects, then the events as they fall due.
type input struct {
	config  config
	fsys    fs.FS
	hub     *host.Hub
	summary *Summary
	log     *service.Logger
	now     func() time.Time
	wait    func(ctx context.Context, d time.Duration) error

	data    *Dataset
	pacer   *replay.Pacer
	next    int // of the rejects and, behind them, the sendings
	end     int // of the sendings: where the replay stops
	begun   time.Time
	tracker tracker

	mu     sync.Mutex
	loaded bool // read by Close, which may run before Connect has returned
	closed bool
	kept   *keeper // nil: no position is kept
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Connect reads the files and finds where to begin. What is wrong with them no retry
// can mend.
func (in *input) Connect(ctx context.Context) error {
	if in.data != nil {
		return nil
	}
	data, err := Load(ctx, in.fsys, in.config.options)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		in.hub.Fail(fmt.Errorf("dataset %s: %w", in.config.dir, err))
		return service.ErrEndOfInput
	}
	if in.config.rebase {
		data.Shift(data.Rebase(event.TimeOf(in.now()), in.config.speed == 1))
	}
	start := Position{
		Version: positionVersion, Target: in.config.checkpoint.target,
		Selection: selection(in.config.options, in.config.rebase, data.Files),
		Shift:     data.shift, Total: len(data.Rejects) + data.Len(), Tally: newTally(),
	}
	if in.config.checkpoint.path != "" {
		if start, err = in.resume(start); err == nil {
			err = in.keep(start)
		}
		if err != nil {
			in.hub.Fail(err)
			return service.ErrEndOfInput
		}
	}
	data.Shift(start.Shift)
	in.next, in.tracker.done, in.tracker.tally = start.Done, start.Done, start.Tally.Clone()
	in.end = data.Before(in.config.until)
	in.data, in.pacer = data, replay.NewPacer(in.config.speed, in.config.maxGap)
	in.summary.begin(data, start, in.end, in.schedule())
	in.mu.Lock()
	defer in.mu.Unlock()
	in.loaded = true
	return nil
}

// resume is where to begin: at the position that was kept, or at start.
func (in *input) resume(start Position) (Position, error) {
	c := in.config.checkpoint
	if !c.resume {
		return start, nil
	}
	kept, found, err := readPosition(c.path)
	if err != nil {
		return start, err
	}
	if !found {
		in.log.With("file", c.path).Warn("There is no position to go on from: the replay begins anew")
		return start, nil
	}
	if kept.Target != start.Target {
		in.log.With("file", c.path, "target", kept.Target).Warn("The position is of other topics: the replay begins anew")
		return start, nil
	}
	if what := kept.differences(start); what != "" {
		return start, fmt.Errorf("the position %s is of another replay (%s): repeat its options, or begin anew without resume", c.path, what)
	}
	return kept, nil
}

// keep begins to keep the position.
func (in *input) keep(start Position) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	in.tracker.done, in.tracker.tally = start.Done, start.Tally.Clone()
	var err error
	in.kept, err = newKeeper(in.config.checkpoint.path, in.log, func() Position {
		p := start
		p.Done, p.Tally = in.tracker.position()
		return p
	})
	return err
}

// schedule is how long what is left to send will take, 0 at full speed.
func (in *input) schedule() (takes time.Duration) {
	if in.config.speed == 0 {
		return 0
	}
	pacer := replay.NewPacer(in.config.speed, in.config.maxGap)
	for i := in.nextSend(); i < in.end; i++ {
		takes = pacer.Due(in.data.Due(i))
	}
	return takes
}

// nextSend is the place of the next event among the sendings.
func (in *input) nextSend() int { return max(0, in.next-len(in.data.Rejects)) }

// ReadBatch waits until the next event is due and returns all that are.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	if in.data == nil {
		return nil, nil, service.ErrNotConnected
	}
	var batch service.MessageBatch
	tally := newTally()
	for in.next < len(in.data.Rejects) && len(batch) < in.config.batch {
		batch = append(batch, in.deadLetter(in.data.Rejects[in.next]))
		tally.reject()
		in.next++
	}
	var at event.Time
	if len(batch) == 0 {
		if in.nextSend() >= in.end {
			return nil, nil, service.ErrEndOfInput
		}
		elapsed, err := in.awaitNext(ctx)
		if err != nil {
			return nil, nil, err
		}
		for i := in.nextSend(); i < in.end && len(batch) < in.config.batch; i++ {
			if len(batch) > 0 && in.pacer.Due(in.data.Due(i)) > elapsed {
				break
			}
			e := in.data.Event(i)
			batch = append(batch, message(e))
			tally.event(&e)
			at = e.Time
			in.next++
		}
		if i := in.nextSend(); i < in.end {
			in.summary.paced(in.begun, in.pacer.Due(in.data.Due(i)))
		}
	}
	sent := in.tracker.begin(tally)
	return batch, func(_ context.Context, err error) error {
		if err == nil {
			in.tracker.ack(sent)
			in.summary.delivered(tally, at)
		}
		return nil
	}, nil
}

// awaitNext returns when the next event is due, and how long after the first one that
// is. Every due time counts from the first event, whatever the waits and the outputs
// took: an error of one does not add to the next. Asking the pacer for the same event
// again is harmless.
func (in *input) awaitNext(ctx context.Context) (elapsed time.Duration, err error) {
	due := in.pacer.Due(in.data.Due(in.nextSend()))
	if in.begun.IsZero() {
		in.begun = in.now()
	}
	for {
		elapsed = in.now().Sub(in.begun)
		if elapsed >= due {
			break
		}
		if err := in.wait(ctx, due-elapsed); err != nil {
			return 0, err
		}
	}
	return elapsed, ctx.Err()
}

// Close logs the account. It comes after the last acknowledgement.
func (in *input) Close(context.Context) error {
	in.mu.Lock()
	loaded, kept := in.loaded, in.kept
	in.closed, in.kept = true, nil
	in.mu.Unlock()
	if kept != nil {
		kept.close()
	}
	if loaded {
		in.log.With("folder", in.config.dir, "account", in.summary.Account()).Info("Replay has ended")
	}
	return nil
}

func message(e Event) *service.Message {
	m := service.NewMessage(nil)
	m.SetStructuredMut(e.Fields)
	m.MetaSet("kafka_topic", e.Topic)
	m.MetaSet("kafka_key", e.Key)
	m.MetaSet("kafka_timestamp_ms", strconv.FormatInt(int64(e.Time), 10))
	m.MetaSet("event_type", e.Type)
	m.MetaSet("csv_file", e.File)
	m.MetaSet("csv_line", strconv.Itoa(e.Line))
	return m
}

func (in *input) deadLetter(r Reject) *service.Message {
	m := service.NewMessage(nil)
	m.SetStructuredMut(map[string]any{
		"file": r.File, "line": int64(r.Line), "reason": "invalid", "detail": r.Rule + ": " + r.Detail,
		"payload": r.Payload, "event_time": in.data.optionalTime(r.Time),
	})
	m.MetaSet("kafka_topic", TopicDeadLetters)
	m.MetaSet("kafka_key", r.File+":"+strconv.Itoa(r.Line))
	m.MetaSet("kafka_timestamp_ms", strconv.FormatInt(in.now().UnixMilli(), 10))
	m.MetaSet("event_type", "RowRejected")
	m.MetaSet("csv_file", r.File)
	m.MetaSet("csv_line", strconv.Itoa(r.Line))
	return m
}
