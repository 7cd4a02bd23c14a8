package statefulkafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// configError is an error that no retry can mend.
type configError struct{ error }

func refuse(format string, args ...any) error { return &configError{fmt.Errorf(format, args...)} }

// source fetches the partitions of all tasks with one client.
type source struct {
	cfg        config
	log        *service.Logger
	client     *kgo.Client
	admin      *kadm.Client
	partitions int
	runners    []*host.Runner
	parts      [][]*part // by task and topic

	hungry  chan struct{} // a task has nothing to do
	confirm chan struct{} // a task wants to know the ends
	warned  atomic.Int64  // when the last warning was logged, Unix seconds
	found   atomic.Bool   // connect is over
}

// OnBrokerConnect is a hook of the client: while all partitions stand at their end,
// nothing else would tell that the brokers are away.
func (s *source) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil && s.found.Load() && !errors.Is(err, context.Canceled) {
		s.warn("Broker %s cannot be reached: %v", net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port))), err)
	}
}

// part is what the source knows of one partition.
type part struct {
	topic     string
	partition int32

	mu sync.Mutex
	// position is the offset behind what was delivered; asked is where it was when the
	// ends were last asked for.
	position, asked int64
	// end is where a bounded run ends; -1 for none.
	end      int64
	finished bool
	paused   bool

	delivered, merged int64 // records that the task was given, and that it has merged
	bytes             int64 // of what was delivered
}

// load is how many records wait in the task; large ones count for several.
func (x *part) load() int64 {
	return (x.delivered - x.merged) * max(x.bytes/max(x.delivered, 1), recordBytes) / recordBytes
}

// connectTimeout bounds one attempt to reach the brokers.
const connectTimeout = 15 * time.Second

// connect finds the partitions of the topics and where to begin.
func connect(ctx context.Context, cfg config, log *service.Logger) (*source, error) {
	s := &source{
		cfg: cfg, log: log,
		hungry: make(chan struct{}, 1), confirm: make(chan struct{}, 1),
	}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.WithHooks(s),
		kgo.SeedBrokers(cfg.brokers...),
		kgo.ClientID("tidemark-" + cfg.group),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // positions have to count them to come to the end
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxWait(fetchWait),
	}, cfg.client...)...)
	if err != nil {
		return nil, refuse("%s: %w", fieldBrokers, err)
	}
	s.client, s.admin = client, kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := s.find(ctx); err != nil {
		client.Close()
		return nil, err
	}
	s.found.Store(true)
	return s, nil
}

const (
	fetchPartitionBytes = 512 << 10
	fetchBytes          = 8 << 20
	fetchWait           = time.Second
)

func (s *source) find(ctx context.Context) error {
	if err := s.checkTopics(ctx); err != nil {
		return err
	}
	starts, err := s.admin.ListStartOffsets(ctx, s.cfg.topics...)
	if err := errors.Join(err, starts.Error()); err != nil {
		return fmt.Errorf("list start offsets: %w", err)
	}
	ends, err := s.admin.ListCommittedOffsets(ctx, s.cfg.topics...)
	if err := errors.Join(err, ends.Error()); err != nil {
		return fmt.Errorf("list end offsets: %w", err)
	}
	assign := map[string]map[int32]kgo.Offset{}
	for p := range s.partitions {
		var list []*part
		for _, t := range s.cfg.topics {
			start, _ := starts.Lookup(t, int32(p))
			x := &part{topic: t, partition: int32(p), position: start.Offset, asked: -1, end: -1}
			if s.cfg.stopAtEnd {
				end, _ := ends.Lookup(t, int32(p))
				x.end = end.Offset
			}
			list = append(list, x)
			if assign[t] == nil {
				assign[t] = map[int32]kgo.Offset{}
			}
			assign[t][int32(p)] = kgo.NewOffset().At(start.Offset)
		}
		s.parts = append(s.parts, list)
	}
	s.client.AddConsumePartitions(assign)
	return nil
}

// checkTopics makes sure that the topics can be read as tasks.
func (s *source) checkTopics(ctx context.Context) error {
	topics, err := s.admin.ListTopics(ctx, s.cfg.topics...)
	if err != nil {
		return fmt.Errorf("no broker at %v answers: %w", s.cfg.brokers, err)
	}
	for _, name := range s.cfg.topics {
		t, ok := topics[name]
		switch {
		case !ok || errors.Is(t.Err, kerr.UnknownTopicOrPartition):
			return refuse("topic %q does not exist at %v: create it with `tidemark topics create`", name, s.cfg.brokers)
		case errors.Is(t.Err, kerr.InvalidTopicException):
			return refuse("topic %q: the name is not valid", name)
		case t.Err != nil:
			return fmt.Errorf("topic %q: %w", name, t.Err)
		}
		n := len(t.Partitions)
		if s.partitions == 0 {
			s.partitions = n
		}
		if n != s.partitions {
			return refuse("topics differ in their number of partitions: %s has %d, %s has %d; tasks need the same: create them anew with `tidemark topics create --partitions N`",
				s.cfg.topics[0], s.partitions, name, n)
		}
	}
	configs, err := s.admin.DescribeTopicConfigs(ctx, s.cfg.topics...)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	for _, c := range configs {
		for _, kv := range c.Configs {
			if kv.Key == "message.timestamp.type" && kv.Value != nil && *kv.Value == "LogAppendTime" {
				return refuse("topic %q has message.timestamp.type=LogAppendTime: the broker would overwrite event times; set it to CreateTime", c.Name)
			}
		}
	}
	return nil
}

func (s *source) close() { s.client.Close() }

// warn logs at most one line in 30 seconds.
func (s *source) warn(format string, args ...any) {
	now := time.Now().Unix()
	last := s.warned.Load()
	if now-last >= 30 && s.warned.CompareAndSwap(last, now) {
		s.log.Warnf(format, args...)
	}
}

// Records of up to recordBytes that may wait in a task: beyond softLimit per partition on average the
// source fetches only when a task starves; a partition beyond hardLimit is paused,
// which throws away what was fetched for it, so that happens only when its
// neighbours lag far behind in event time.
const (
	softLimit   = 4096
	hardLimit   = 8 * softLimit
	pollLimit   = 8192
	recordBytes = 512
)

// poll fetches until ctx ends.
func (s *source) poll(ctx context.Context) {
	for {
		if s.full() {
			select {
			case <-s.hungry:
			case <-ctx.Done():
				return
			}
		}
		fetches := s.client.PollRecords(ctx, pollLimit)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(topic string, p int32, err error) {
			s.warn("Fetching %s/%d: %v", topic, p, err)
		})
		fetches.EachPartition(func(f kgo.FetchTopicPartition) { s.deliver(f) })
	}
}

// full tells whether enough records wait to keep the tasks busy.
func (s *source) full() bool {
	n := int64(0)
	for _, list := range s.parts {
		for _, x := range list {
			x.mu.Lock()
			n += x.load()
			x.mu.Unlock()
		}
	}
	return n >= int64(softLimit*len(s.cfg.topics)*s.partitions)
}

func (s *source) lookup(topic string, p int32) (i int, x *part) {
	if int(p) < len(s.parts) {
		for i, x := range s.parts[p] {
			if x.topic == topic {
				return i, x
			}
		}
	}
	return 0, nil
}

// deliver hands the records of one partition to its task.
func (s *source) deliver(f kgo.FetchTopicPartition) {
	i, x := s.lookup(f.Topic, f.Partition)
	if x == nil || len(f.Records) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.finished {
		return
	}
	rows := make([]event.Row, 0, len(f.Records))
	places := make([]event.Source, len(f.Records))
	for k, r := range f.Records {
		if x.end >= 0 && r.Offset >= x.end {
			x.position = x.end
			break
		}
		if r.Offset < x.position {
			continue // after a move of its leader the client may fetch a record again
		}
		x.position = r.Offset + 1
		if r.Attrs.IsControl() {
			continue
		}
		places[k] = event.Source{Topic: x.topic, Partition: x.partition, Offset: r.Offset, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			places[k].Headers = append(places[k].Headers, event.Header{Key: h.Key, Value: h.Value})
		}
		x.bytes += int64(len(r.Key) + len(r.Value))
		rows = append(rows, event.Row{Time: event.TimeOf(r.Timestamp), Source: &places[k]})
	}
	run := s.runners[x.partition]
	atEnd := f.HighWatermark == f.LastStableOffset && x.position == f.HighWatermark
	run.Deliver(i, rows, atEnd)
	x.delivered += int64(len(rows))
	s.finishAtEnd(i, x)
	if x.load() > hardLimit && !x.paused && !x.finished {
		x.paused = true
		s.client.PauseFetchPartitions(map[string][]int32{x.topic: {x.partition}})
	}
}

// feed is the view that one task's runner has of the source.
func (s *source) feed(p int) host.Feed { return taskFeed{s, p} }

type taskFeed struct {
	s *source
	p int
}

func (f taskFeed) Hungry() { signal(f.s.hungry) }

func (f taskFeed) Confirm() { signal(f.s.confirm) }

func (f taskFeed) Drained(i int, merged int64) {
	x := f.s.parts[f.p][i]
	x.mu.Lock()
	defer x.mu.Unlock()
	x.merged = merged
	load := x.load()
	if x.paused && !x.finished && load < hardLimit/2 {
		x.paused = false
		f.s.client.ResumeFetchPartitions(map[string][]int32{x.topic: {x.partition}})
	}
	if load < softLimit {
		signal(f.s.hungry)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// confirmPause is the least time between two questions for the ends.
const confirmPause = 50 * time.Millisecond

// confirmEnds asks the brokers for the ends of the partitions whenever a task
// waits, and tells the tasks which of them it has come to. An end is confirmed
// only where nothing of an open transaction lies before it.
func (s *source) confirmEnds(ctx context.Context) {
	for {
		select {
		case <-s.confirm:
		case <-ctx.Done():
			return
		}
		if err := s.askEnds(ctx); err != nil && ctx.Err() == nil {
			s.warn("Kafka does not tell the ends of the topics: %v", err)
		}
		select {
		case <-time.After(confirmPause):
		case <-ctx.Done():
			return
		}
	}
}

func (s *source) askEnds(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	// Where some brokers do not answer, the answers of the others still count.
	stable, err1 := s.admin.ListCommittedOffsets(ctx, s.cfg.topics...)
	high, err2 := s.admin.ListEndOffsets(ctx, s.cfg.topics...)
	err := cmp.Or(err1, err2)
	var stuck []*part
	for _, list := range s.parts {
		for i, x := range list {
			lso, ok1 := stable.Lookup(x.topic, x.partition)
			hw, ok2 := high.Lookup(x.topic, x.partition)
			if perr := cmp.Or(lso.Err, hw.Err); perr != nil && err == nil {
				err = fmt.Errorf("%s/%d: %w", x.topic, x.partition, perr)
			}
			if !ok1 || !ok2 || lso.Err != nil || hw.Err != nil {
				continue
			}
			x.mu.Lock()
			s.finishAtEnd(i, x) // a bounded run may have nothing to read
			if lso.Offset == hw.Offset && x.position == hw.Offset {
				s.runners[x.partition].ConfirmEnd(i)
			}
			if x.position < lso.Offset && x.position == x.asked && !x.paused && !x.finished {
				stuck = append(stuck, x)
			}
			x.asked = x.position
			x.mu.Unlock()
		}
	}
	if len(stuck) > 0 {
		err = cmp.Or(err, s.skipDeleted(ctx, stuck))
	}
	return err
}

// finishAtEnd tells the task that a bounded run has read all that it will read of x,
// partition i of its task. The caller holds x.mu.
func (s *source) finishAtEnd(i int, x *part) {
	if x.end >= 0 && x.position >= x.end && !x.finished {
		x.finished = true
		s.runners[x.partition].Finish(i)
		s.client.PauseFetchPartitions(map[string][]int32{x.topic: {x.partition}})
	}
}

// skipDeleted moves on where records were deleted before they were read. They are
// lost, which is told; waiting for them would be no better.
func (s *source) skipDeleted(ctx context.Context, stuck []*part) error {
	starts, err := s.admin.ListStartOffsets(ctx, s.cfg.topics...)
	for _, x := range stuck {
		start, ok := starts.Lookup(x.topic, x.partition)
		x.mu.Lock()
		if ok && start.Err == nil && start.Offset > x.position {
			s.log.Errorf("The records %d to %d of %s/%d were deleted before they were read: does the topic have retention.ms=-1?",
				x.position, start.Offset-1, x.topic, x.partition)
			x.position = start.Offset
		}
		x.mu.Unlock()
	}
	return err
}
