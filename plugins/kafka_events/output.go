package kafkaevents

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

func init() {
	service.MustRegisterBatchOutput("kafka_events", spec(), func(p *service.ParsedConfig, res *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
		c, err := parseConfig(p)
		if err != nil {
			return nil, service.BatchPolicy{}, 0, err
		}
		return newOutput(c, host.HubOf(res), res.Logger()), c.batching, c.maxInFlight, nil
	})
}

// Waits of the retries at the start and of a topic's check, and between the
// answers to writes that come after a permanent error.
const (
	firstWait    = time.Second
	longestWait  = 30 * time.Second
	askTimeout   = 10 * time.Second
	failedWait   = time.Second
	absentTries  = 3  // of asking, before a topic counts as not there
	unknownTries = 10 // of the client, before it gives up on a topic that is gone
	tickEvery    = time.Second
	metadataAge  = time.Second
)

type output struct {
	config  config
	hub     *host.Hub
	log     *service.Logger
	now     func() time.Time
	pause   func(ctx context.Context, d time.Duration)
	brokers string
	outage  *outage
	opts    []kgo.Opt // further options of the client, for tests

	mu     sync.Mutex
	client *kgo.Client
	topics map[string]topicTimes // those that were seen to exist
	wait   time.Duration         // before the next attempt to connect
	failed error                 // the permanent error that ended the stream
}

func newOutput(c config, hub *host.Hub, log *service.Logger) *output {
	o := &output{
		config: c, hub: hub, log: log, now: time.Now, pause: sleep,
		brokers: strings.Join(c.brokers, ","), topics: map[string]topicTimes{}, wait: firstWait,
	}
	o.outage = &outage{log: log, now: func() time.Time { return o.now() }, brokers: o.brokers}
	return o
}

// Connect reaches one broker. It is called again, after a wait, until it succeeds.
func (o *output) Connect(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.client == nil {
		client, err := kgo.NewClient(append([]kgo.Opt{
			kgo.SeedBrokers(o.config.brokers...),
			kgo.ClientID(o.config.clientID),
			kgo.RequiredAcks(kgo.AllISRAcks()),
			kgo.ProducerBatchCompression(o.config.compression),
			kgo.RecordPartitioner(o.config.partitioner),
			kgo.ProducerLinger(0), // whole batches are handed over at once
			kgo.UnknownTopicRetries(unknownTries),
			kgo.MetadataMinAge(metadataAge), // failed writes are repeated at this pace
			kgo.DisableClientMetrics(),
			kgo.WithHooks(o.outage),
		}, o.opts...)...)
		if err != nil {
			return o.failLocked(permanent("kafka_events: %w", err))
		}
		o.client = client
	}
	ask, done := context.WithTimeout(ctx, askTimeout)
	defer done()
	if err := o.client.Ping(ask); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := o.wait
		o.wait = min(2*o.wait, longestWait)
		return service.NewErrBackOff(fmt.Errorf("cannot reach Kafka at %s (%w), trying again in %v", o.brokers, err, wait), wait)
	}
	o.wait = firstWait
	return nil
}

// WriteBatch writes all messages and returns when Kafka has them all, or with
// the errors of those that failed.
func (o *output) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	o.mu.Lock()
	client, failed := o.client, o.failed
	o.mu.Unlock()
	if failed != nil {
		// The stream is about to end. Until then nobody is served by a busy loop.
		o.pause(ctx, failedWait)
		return failed
	}
	if client == nil {
		return service.ErrNotConnected
	}
	batchErr := failures{batch: batch}
	records := make([]*kgo.Record, len(batch))
	for i := range batch {
		r, err := o.record(batch, i)
		if err != nil {
			batchErr.add(i, err)
			continue
		}
		if err := o.admit(ctx, client, r); err != nil {
			return o.fail(err)
		}
		records[i] = r
	}
	errs := o.produce(ctx, client, records)
	for i, err := range errs {
		if err == nil {
			continue
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) {
			o.forget(records[i].Topic) // asked again before the retry
		}
		explained := explain(records[i].Topic, err)
		if isPermanent(explained) {
			return o.fail(explained)
		}
		batchErr.add(i, explained)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return batchErr.err()
}

// produce hands the records to the client and waits for all answers. Records
// that are nil are passed over.
func (o *output) produce(ctx context.Context, client *kgo.Client, records []*kgo.Record) []error {
	errs := make([]error, len(records))
	var pending sync.WaitGroup
	o.outage.begin()
	answered := make(chan struct{})
	// The ticker runs from the beginning, since Produce itself waits when the client's buffer is full.
	go func() {
		tick := time.NewTicker(tickEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				o.outage.tick()
			case <-answered:
				return
			}
		}
	}()
	for i, r := range records {
		if r == nil {
			continue
		}
		pending.Add(1)
		client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			errs[i] = err
			pending.Done()
		})
	}
	pending.Wait()
	close(answered)
	o.outage.end(ctx.Err() == nil)
	return errs
}

// record makes the record of the i-th message.
func (o *output) record(batch service.MessageBatch, i int) (*kgo.Record, error) {
	topic, err := batch.TryInterpolatedString(i, o.config.topic)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fieldTopic, err)
	}
	key, err := batch.TryInterpolatedBytes(i, o.config.key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fieldKey, err)
	}
	value, err := batch[i].AsBytes()
	if err != nil {
		return nil, err
	}
	r := &kgo.Record{Topic: topic, Value: value, Timestamp: o.now()}
	if len(key) > 0 {
		r.Key = key
	}
	at, err := batch.TryInterpolatedString(i, o.config.timestamp)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fieldTimestamp, err)
	}
	if at != "" {
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil || ms < 0 {
			return nil, fmt.Errorf("%s: %q is not a number of milliseconds since 1970", fieldTimestamp, at)
		}
		r.Timestamp = time.UnixMilli(ms)
	}
	for _, h := range o.config.headers {
		v, err := batch.TryInterpolatedBytes(i, h.value)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", fieldHeaders, h.name, err)
		}
		if len(v) > 0 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.name, Value: v})
		}
	}
	return r, nil
}

// fail ends the stream where err is permanent. It returns err.
func (o *output) fail(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failLocked(err)
}

func (o *output) failLocked(err error) error {
	if isPermanent(err) && o.failed == nil {
		o.failed = err
		o.hub.Fail(err)
	}
	return err
}

// Close drops what Kafka has not acknowledged: the input still holds it.
func (o *output) Close(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.client != nil {
		o.client.Close()
		o.client = nil
	}
	return nil
}

// failures collects the errors of single messages.
type failures struct {
	batch service.MessageBatch
	all   *service.BatchError
}

func (f *failures) add(i int, err error) {
	if f.all == nil {
		f.all = service.NewBatchError(f.batch, err)
	}
	f.all = f.all.Failed(i, err)
}

func (f *failures) err() error {
	if f.all == nil {
		return nil
	}
	return f.all
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func sortHeaders(h []header) {
	slices.SortFunc(h, func(a, b header) int { return cmp.Compare(a.name, b.name) })
}
