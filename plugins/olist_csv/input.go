package olistcsv

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync/atomic"
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
	sends   []replay.Send // nil: all events in order
	pacer   *replay.Pacer
	nextRow int // of the rejects, then
	nextDue int // of the events
	begun   time.Time
	loaded  atomic.Bool // read by Close, which may run before Connect has returned
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

// Connect reads the files. What is wrong with them no retry can mend.
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
		data.Rebase(event.TimeOf(in.now()), in.config.speed == 1)
	}
	var injected replay.Counts
	total := data.Len()
	if in.config.injection.Duplicates > 0 || in.config.injection.Disorder > 0 || in.config.injection.Late > 0 {
		in.sends, injected = replay.Inject(data.Times(), in.config.injection)
		total = len(in.sends)
	}
	in.data, in.pacer = data, replay.NewPacer(in.config.speed, in.config.maxGap)
	in.summary.begin(data, total+len(data.Rejects), injected)
	in.loaded.Store(true)
	return nil
}

// due is when the i-th sending is scheduled, in event time, and its event.
func (in *input) scheduled(i int) (at event.Time, index int) {
	if in.sends == nil {
		return in.data.refs[i].Time, i
	}
	return in.sends[i].At, int(in.sends[i].Index)
}

func (in *input) count() int {
	if in.sends == nil {
		return in.data.Len()
	}
	return len(in.sends)
}

// ReadBatch waits until the next event is due and returns all that are.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	if in.data == nil {
		return nil, nil, service.ErrNotConnected
	}
	var batch service.MessageBatch
	topics := map[string]int{}
	for in.nextRow < len(in.data.Rejects) && len(batch) < in.config.batch {
		batch = append(batch, in.deadLetter(in.data.Rejects[in.nextRow]))
		topics[TopicDeadLetters]++
		in.nextRow++
	}
	if len(batch) == 0 && in.nextDue == in.count() {
		return nil, nil, service.ErrEndOfInput
	}
	if len(batch) == 0 {
		if err := in.awaitNext(ctx); err != nil {
			return nil, nil, err
		}
		for elapsed := in.now().Sub(in.begun); in.nextDue < in.count() && len(batch) < in.config.batch; in.nextDue++ {
			at, index := in.scheduled(in.nextDue)
			if len(batch) > 0 && in.pacer.Due(at) > elapsed {
				break
			}
			e := in.data.Event(index)
			batch = append(batch, message(e))
			topics[e.Topic]++
		}
	}
	return batch, func(_ context.Context, err error) error {
		if err == nil {
			in.summary.delivered(topics)
		}
		return nil
	}, nil
}

// awaitNext returns when the next event is due. Asking the pacer for it again is harmless.
func (in *input) awaitNext(ctx context.Context) error {
	if in.begun.IsZero() {
		in.begun = in.now()
	}
	at, _ := in.scheduled(in.nextDue)
	if d := in.pacer.Due(at) - in.now().Sub(in.begun); d > 0 {
		return in.wait(ctx, d)
	}
	return ctx.Err()
}

// Close logs the account. It comes after the last acknowledgement.
func (in *input) Close(context.Context) error {
	if in.loaded.Load() {
		in.log.Infof("Replay of %s: %s", in.config.dir, in.summary.Account())
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
