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
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/plugins/internal/changelog"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	kafkaevents "github.com/tidemark-streams/tidemark/plugins/kafka_events"
)

// cluster is what the tasks of a stream share of Kafka: the topics as they were
// found at the start, and the question for their ends.
type cluster struct {
	cfg        config
	log        *service.Logger
	client     *kgo.Client
	admin      *kadm.Client
	partitions int32
	identities map[string]string // of the topics
	changelog  string            // identity of the changelog
	// ends is where a bounded run ends, by topic and partition.
	ends kadm.ListedOffsets

	confirm chan struct{} // a task wants to know the ends
	look    chan struct{} // somebody looks at the figures
	warned  atomic.Int64  // when the last warning was logged, Unix seconds
	found   atomic.Bool   // connect is over

	mu      sync.Mutex
	sources map[int32]*source // that read now, by task

	soft atomic.Int64 // limit of the records that wait, of each partition
}

// OnBrokerConnect is a hook of the clients: while all partitions stand at their end,
// nothing else would tell that the brokers are away.
func (c *cluster) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil && c.found.Load() && !errors.Is(err, context.Canceled) && !errors.Is(err, kgo.ErrClientClosed) {
		c.warn("Broker cannot be reached", "broker", net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port))), "error", err)
	}
}

// connectTimeout bounds one attempt to reach the brokers.
const connectTimeout = 15 * time.Second

// connect finds the topics, and makes the changelog where it is missing.
func connect(ctx context.Context, cfg config, log *service.Logger) (*cluster, error) {
	c := &cluster{cfg: cfg, log: log, confirm: make(chan struct{}, 1), look: make(chan struct{}, 1), sources: map[int32]*source{}}
	c.limit()
	client, err := kgo.NewClient(c.options()...)
	if err != nil {
		return nil, host.Refuse("%s: %w", fieldBrokers, err)
	}
	c.client, c.admin = client, kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := c.find(ctx); err != nil {
		client.Close()
		return nil, err
	}
	c.found.Store(true)
	return c, nil
}

// options are those of all clients of the stream, and more.
func (c *cluster) options(more ...kgo.Opt) []kgo.Opt {
	opts := append([]kgo.Opt{
		kgo.WithHooks(c),
		kgo.SeedBrokers(c.cfg.brokers...),
		kgo.ClientID("tidemark-" + c.cfg.group),
	}, more...)
	return append(opts, c.cfg.client...)
}

func (c *cluster) find(ctx context.Context) error {
	if err := c.checkTopics(ctx); err != nil {
		return err
	}
	if c.cfg.stopAtEnd {
		ends, err := c.admin.ListCommittedOffsets(ctx, c.cfg.topics...)
		if err := errors.Join(err, ends.Error()); err != nil {
			return fmt.Errorf("list end offsets: %w", err)
		}
		c.ends = ends
	}
	identity, err := changelog.Ensure(ctx, c.client, c.cfg.group, c.partitions)
	if errors.Is(err, changelog.ErrUnfit) {
		return host.Refuse("%w", err)
	}
	c.changelog = identity
	return err
}

// checkTopics makes sure that the topics can be read as tasks.
func (c *cluster) checkTopics(ctx context.Context) error {
	found, err := c.describe(ctx)
	if err != nil {
		return fmt.Errorf("no broker at %v answers: %w", c.cfg.brokers, err)
	}
	c.identities = map[string]string{}
	for _, name := range c.cfg.topics {
		t := found[name]
		switch {
		case errors.Is(t.err, kerr.UnknownTopicOrPartition):
			return host.Refuse("topic %q does not exist at %v: create it with `tidemark topics create`", name, c.cfg.brokers)
		case errors.Is(t.err, kerr.InvalidTopicException):
			return host.Refuse("topic %q: the name is not valid", name)
		case t.err != nil:
			return fmt.Errorf("topic %q: %w", name, t.err)
		}
		if c.partitions == 0 {
			c.partitions = t.partitions
		}
		if t.partitions != c.partitions {
			return host.Refuse("topics differ in their number of partitions: %s has %d, %s has %d; tasks need the same: `tidemark topics repartition` copies topics into ones with another count",
				c.cfg.topics[0], c.partitions, name, t.partitions)
		}
		c.identities[name] = t.identity
	}
	configs, err := c.admin.DescribeTopicConfigs(ctx, c.cfg.topics...)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	for _, rc := range configs {
		set := map[string]string{}
		for _, kv := range rc.Configs {
			set[kv.Key] = kv.MaybeValue()
		}
		if set["message.timestamp.type"] == "LogAppendTime" {
			return host.Refuse("topic %q has message.timestamp.type=LogAppendTime: the broker would overwrite event times; set it to CreateTime", rc.Name)
		}
		if kafkaevents.Unfinished(func(key string) string { return set[key] }) {
			return host.Refuse("topic %q is an unfinished copy, which lacks records: wait until `tidemark topics repartition` has ended; if it was interrupted, repeat it", rc.Name)
		}
	}
	return nil
}

// topic is what the brokers tell of a topic.
type topic struct {
	identity   string // tells it from any other of its name
	partitions int32
	err        error
}

// describe asks for the topics as they are now: kadm would answer from a cache.
func (c *cluster) describe(ctx context.Context) (map[string]topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	for _, name := range c.cfg.topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return nil, err
	}
	cluster := ""
	if resp.ClusterID != nil {
		cluster = *resp.ClusterID
	}
	found := map[string]topic{}
	for _, name := range c.cfg.topics {
		found[name] = topic{err: kerr.UnknownTopicOrPartition}
	}
	for _, t := range resp.Topics {
		if t.Topic != nil {
			found[*t.Topic] = topic{cluster + "/" + kadm.TopicID(t.TopicID).String(), int32(len(t.Partitions)), kerr.ErrorForCode(t.ErrorCode)}
		}
	}
	return found, nil
}

func (c *cluster) close() { c.client.Close() }

// warn logs at most one line in 30 seconds.
func (c *cluster) warn(message string, fields ...any) {
	now := time.Now().Unix()
	last := c.warned.Load()
	if now-last >= int64(host.LogEvery.Seconds()) && c.warned.CompareAndSwap(last, now) {
		c.log.With(fields...).Warn(message)
	}
}

// reads notes that a source reads for its task; the function that it returns, that
// it does so no more.
func (c *cluster) reads(s *source) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[s.task] = s
	c.limit()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sources[s.task] == s {
			delete(c.sources, s.task)
			c.limit()
		}
	}
}

// limit sets how many records may wait. The caller holds c.mu.
func (c *cluster) limit() { c.soft.Store(softLimit(len(c.sources) * len(c.cfg.topics))) }

// confirmPause is the least time between two questions for the ends.
const confirmPause = 50 * time.Millisecond

// confirmEnds asks the brokers for the ends of the partitions whenever a task
// waits, and tells the tasks which of them it has come to. An end is confirmed
// only where nothing of an open transaction lies before it.
func (c *cluster) confirmEnds(ctx context.Context) {
	for {
		select {
		case <-c.confirm:
		case <-ctx.Done():
			return
		}
		if err := c.askEnds(ctx); err != nil && ctx.Err() == nil {
			c.warn("Kafka does not tell the ends of the topics", "error", err)
		}
		select {
		case <-time.After(confirmPause):
		case <-ctx.Done():
			return
		}
	}
}

func (c *cluster) askEnds(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	// Where some brokers do not answer, the answers of the others still count.
	stable, err1 := c.admin.ListCommittedOffsets(ctx, c.cfg.topics...)
	high, err2 := c.admin.ListEndOffsets(ctx, c.cfg.topics...)
	err := cmp.Or(err1, err2)
	stuck, partErr := c.tellEnds(stable, high)
	if err = cmp.Or(err, partErr); len(stuck) == 0 {
		return err
	}
	starts, startErr := c.admin.ListStartOffsets(ctx, c.cfg.topics...)
	for _, x := range stuck {
		if start, ok := starts.Lookup(x.topic, x.partition); ok && start.Err == nil {
			x.skipDeleted(start.Offset, c.log)
		}
	}
	return cmp.Or(err, startErr)
}

// tellEnds tells the tasks where their partitions end. It returns the partitions that
// stand before their end, and an error if the broker did not tell of all.
func (c *cluster) tellEnds(stable, high kadm.ListedOffsets) (stuck []*part, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sources {
		for i, x := range s.parts {
			lso, ok1 := stable.Lookup(x.topic, s.task)
			hw, ok2 := high.Lookup(x.topic, s.task)
			if partErr := cmp.Or(lso.Err, hw.Err); partErr != nil {
				err = fmt.Errorf("%s/%d: %w", x.topic, s.task, partErr)
			} else if ok1 && ok2 && s.stands(i, lso.Offset, hw.Offset) {
				stuck = append(stuck, x)
			}
		}
	}
	return stuck, err
}
