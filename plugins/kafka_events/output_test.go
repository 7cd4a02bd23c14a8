package kafkaevents

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

var nobody = kgo.BrokerMetadata{}

const conf = `
seed_brokers: [ "%s" ]
topic: ${! @kafka_topic }
key: ${! @key.or("") }
timestamp_ms: ${! @ts.or("") }
headers:
  event_type: ${! @event_type.or("") }
  constant: c
`

// forever are the configs of a topic that keeps records.
var forever = map[string]string{configRetention: "-1"}

type fixture struct {
	*output
	cluster *kfake.Cluster
	lines   *logLines
	hub     *host.Hub
}

func start(t *testing.T, extra string, opts ...kfake.Opt) *fixture {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	f := &fixture{output: build(t, cluster.ListenAddrs()[0], extra), cluster: cluster}
	f.lines, f.hub = f.log0()
	if err := f.Connect(context.Background()); err != nil {
		t.Fatal(err)
	}
	return f
}

func build(t *testing.T, brokers, extra string) *output {
	t.Helper()
	parsed, err := spec().ParseYAML(fmt.Sprintf(conf, brokers)+extra, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig(parsed)
	if err != nil {
		t.Fatal(err)
	}
	o := newOutput(c, host.HubOf(service.MockResources()), logger(&logLines{}))
	o.pause = func(context.Context, time.Duration) {}
	o.opts = []kgo.Opt{kgo.MetadataMinAge(10 * time.Millisecond)} // repeat at once
	t.Cleanup(func() {
		if err := o.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return o
}

// log0 gives the output a log that can be read.
func (f *fixture) log0() (*logLines, *host.Hub) {
	lines := &logLines{}
	f.log, f.outage.log = logger(lines), logger(lines)
	return lines, f.output.hub
}

func (f *fixture) topic(t *testing.T, name string, partitions int32, configs map[string]string) {
	t.Helper()
	if err := f.cluster.CreateTopic(name, partitions, configs); err != nil {
		t.Fatal(err)
	}
}

func message(topic, key, ts, value string) *service.Message {
	m := service.NewMessage([]byte(value))
	m.MetaSet("kafka_topic", topic)
	if key != "" {
		m.MetaSet("key", key)
	}
	if ts != "" {
		m.MetaSet("ts", ts)
	}
	return m
}

// consume reads n records of a topic.
func (f *fixture) consume(t *testing.T, topic string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(f.cluster.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	var out []*kgo.Record
	for len(out) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("%d of %d records: %v", len(out), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { out = append(out, r) })
	}
	return out
}

func TestWriteBatch(t *testing.T) {
	f := start(t, "")
	f.topic(t, "a", 3, forever)
	f.topic(t, "b", 1, forever)
	const n = 600
	var batch service.MessageBatch
	for i := range n {
		m := message("a", fmt.Sprintf("key%d", i%7), strconv.Itoa(1_499_637_425_000+i), strconv.Itoa(i))
		m.MetaSet("event_type", "OrderCreated")
		batch = append(batch, m)
	}
	batch = append(batch, message("b", "", "", "x"))
	if err := f.WriteBatch(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("a")
	last := map[string]int{}
	for _, r := range f.consume(t, "a", n) {
		i, err := strconv.Atoi(string(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		key := string(r.Key)
		if before, ok := last[key]; ok && i != before+7 {
			t.Fatalf("key %s: %d comes after %d", key, i, before)
		}
		last[key] = i
		if r.Timestamp.UnixMilli() != int64(1_499_637_425_000+i) || int(r.Partition) != partitioner.Partition(&kgo.Record{Key: r.Key}, 3) {
			t.Fatal(r.Timestamp, r.Partition)
		}
		if len(r.Headers) != 2 || r.Headers[0].Key != "constant" || r.Headers[1].Key != "event_type" || string(r.Headers[1].Value) != "OrderCreated" {
			t.Fatal(r.Headers)
		}
	}
	b := f.consume(t, "b", 1)[0]
	if b.Key != nil || time.Since(b.Timestamp) > time.Hour || len(b.Headers) != 1 {
		t.Error(b)
	}
}

// Murmur2 as in Java: org.apache.kafka.common.utils.Utils.murmur2.
func TestPartitionsLikeJava(t *testing.T) {
	p := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	// toPositive(murmur2("21")) = -973932308 & 0x7fffffff, of "foobar" -790332482.
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536} {
		for _, n := range []int{1, 3, 6, 7} {
			if got, want := p.Partition(&kgo.Record{Key: []byte(key)}, n), int(hash&0x7fffffff)%n; got != want {
				t.Errorf("%s of %d: %d, want %d", key, n, got, want)
			}
		}
	}
}

func TestPermanentErrors(t *testing.T) {
	week := strconv.FormatInt((7 * 24 * time.Hour).Milliseconds(), 10)
	for name, tc := range map[string]struct {
		configs map[string]string
		fault   *kfake.Fault
		extra   string
		ts      string
		want    string
	}{
		"unknown topic":  {want: `topic a does not exist on Kafka at 127.0.0.1:`},
		"retention":      {configs: map[string]string{configRetention: week}, ts: "1499637425000", want: "topic a deletes records 168h0m0s after their event time"},
		"append time":    {configs: map[string]string{configTimestampType: "LogAppendTime", configRetention: "-1"}, ts: "1499637425000", want: "topic a replaces event times"},
		"refused time":   {configs: forever, ts: "1499637425000", want: "topic a refuses the event times", fault: &kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidTimestamp, Count: -1}},
		"may not write":  {configs: forever, want: "topic a may not be written to", fault: &kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1}},
		"check is off":   {configs: map[string]string{configRetention: week}, ts: "1499637425000", extra: "check_retention: false\n"},
		"recent is kept": {configs: map[string]string{configRetention: week}, ts: strconv.FormatInt(time.Now().UnixMilli(), 10)},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, tc.extra)
			if tc.configs != nil {
				f.topic(t, "a", 1, tc.configs)
			}
			if tc.fault != nil {
				f.cluster.Fault(*tc.fault)
			}
			err := f.WriteBatch(context.Background(), service.MessageBatch{message("a", "k", tc.ts, "v")})
			if tc.want == "" {
				if err != nil || f.hub.Err() != nil {
					t.Fatal(err, f.hub.Err())
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, want %s", err, tc.want)
			}
			if f.hub.Err() == nil || f.hub.Err().Error() != err.Error() {
				t.Errorf("the hub was told %v", f.hub.Err())
			}
			if again := f.WriteBatch(context.Background(), service.MessageBatch{message("a", "k", tc.ts, "v")}); again == nil || again.Error() != err.Error() {
				t.Errorf("the next write said %v", again)
			}
		})
	}
}

func TestSingleFailures(t *testing.T) {
	f := start(t, "")
	f.topic(t, "a", 1, forever)
	batch := service.MessageBatch{
		message("a", "", "", "first"),
		message("a", "", "soon", "second"),
		message("a", "", "", strings.Repeat("x", 2<<20)),
		message("a", "", "", "last"),
	}
	index := batch.Index()
	err := f.WriteBatch(context.Background(), batch)
	var be *service.BatchError
	if !errors.As(err, &be) || be.IndexedErrors() != 2 {
		t.Fatal(err)
	}
	be.WalkMessagesIndexedBy(index, func(i int, _ *service.Message, err error) bool {
		want := map[int]string{1: `timestamp_ms: "soon" is not a number`, 2: "MESSAGE_TOO_LARGE"}[i]
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("message %d: %v", i, err)
		}
		return true
	})
	if f.hub.Err() != nil {
		t.Error(f.hub.Err())
	}
	if got := f.consume(t, "a", 2); string(got[0].Value)+string(got[1].Value) != "firstlast" {
		t.Error(got)
	}
}

// Whatever passes is waited for: the records arrive once and in order.
func TestPassingTrouble(t *testing.T) {
	f := start(t, "")
	f.topic(t, "a", 1, forever)
	f.cluster.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 3},
		kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, Count: 2},
		kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.RequestTimedOut, Count: 2},
	)
	// Three produce requests are taken in, but their answers are lost with the connection.
	lost := 0
	f.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.cluster.KeepControl()
		if lost++; lost <= 3 {
			return nil, errors.New("connection lost"), true
		}
		return nil, nil, false
	})
	var batch service.MessageBatch
	for i := range 100 {
		batch = append(batch, message("a", "k", "", strconv.Itoa(i)))
	}
	if err := f.WriteBatch(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	for i, r := range f.consume(t, "a", 100) {
		if string(r.Value) != strconv.Itoa(i) {
			t.Fatalf("record %d is %s", i, r.Value)
		}
	}
}

// A topic that vanishes in mid-run ends the stream; one that was just created does not.
func TestTopicAppearsLate(t *testing.T) {
	f := start(t, "")
	asked := 0
	f.pause = func(context.Context, time.Duration) {
		if asked++; asked == absentTries-1 {
			f.topic(t, "a", 1, forever)
		}
	}
	if err := f.WriteBatch(context.Background(), service.MessageBatch{message("a", "", "", "v")}); err != nil {
		t.Fatal(err)
	}
}

func TestUnreachableAtStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o := build(t, fmt.Sprintf("127.0.0.1:%d", port), "")
	var backoff *service.ErrBackOff
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		err := o.Connect(context.Background())
		if !errors.As(err, &backoff) || backoff.Wait != wait*time.Second {
			t.Fatalf("%v, waits %v", err, backoff.Wait)
		}
	}
	if text := backoff.Error(); !strings.HasPrefix(text, "cannot reach Kafka at 127.0.0.1:") || !strings.HasSuffix(text, "trying again in 30s") {
		t.Error(text)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(1, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	if err := o.Connect(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := o.WriteBatch(context.Background(), service.MessageBatch{message("a", "", "", "v")}); err != nil {
		t.Fatal(err)
	}
}

func TestStops(t *testing.T) {
	f := start(t, "")
	f.topic(t, "a", 1, forever)
	if err := f.WriteBatch(cancelled(), service.MessageBatch{message("a", "", "", "v")}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := f.Connect(cancelled()); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := f.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := f.WriteBatch(context.Background(), service.MessageBatch{message("a", "", "", "v")}); !errors.Is(err, service.ErrNotConnected) {
		t.Error(err)
	}
}
