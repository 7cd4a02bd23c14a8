package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// shop is a stream on a broker within the test: orders with their items, in two tasks.
type shop struct {
	*testing.T
	cluster *kfake.Cluster
	client  *kgo.Client
	folder  string // of its config
	file    string
}

// shopStream has an operator without a label, one of each kind, and one without state.
const shopStream = `
input:
  stateful_kafka:
    seed_brokers: [ "${KAFKA_BROKERS}" ]
    topics: [ orders, items ]
    consumer_group: shop
    state_dir: "${TIDEMARK_STATE_DIR}"
    stop_at_end: ${STOP:true}
    commit_interval: 20ms
    watermark: { max_out_of_orderness: 2m, idle_timeout: 1m }
    processors:
      - resource: tag
      - dedup: { key: id, ttl: 7d }
      - label: orders
        join: { key: order, anchor: orders, streams: { items: { topic: items } }, before: 1h, within: 7d }
      - label: shops
        fan_out:
          - processors:
              - label: hours
                window: { size: 1h, aggregates: { orders: { count: { where: 'this.change == "anchor"' } }, items: { count: { where: 'this.change == "items"' } } } }
          - processors:
              - label: days
                window: { size: 24h, group_by: [ shop ], aggregates: { orders: { count: { where: 'this.change == "anchor"' } } } }
processor_resources:
  - label: tag
    mapping: root = this
output:
  drop: {}
`

func openShop(t *testing.T) *shop {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "orders", "items"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := openKafka(t.Context(), cluster.ListenAddrs(), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s := &shop{T: t, cluster: cluster, client: client, folder: t.TempDir()}
	s.file = filepath.Join(s.folder, "shop.yaml")
	if err := os.WriteFile(s.file, []byte(shopStream), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KAFKA_BROKERS", strings.Join(cluster.ListenAddrs(), ","))
	t.Setenv(stateDirEnv, t.TempDir())
	return s
}

// noon is when the first order is placed.
var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// order is an order so many minutes after noon, of a shop.
func order(id, shop string, minute int) *kgo.Record {
	return shopRecord("orders", id, minute, fmt.Sprintf(`{"id":"o-%s","order":%q,"shop":%q}`, id, id, shop))
}

// item is the n-th item of an order.
func item(id string, n, minute int) *kgo.Record {
	return shopRecord("items", id, minute, fmt.Sprintf(`{"id":"i-%s-%d","order":%q,"price":%d}`, id, n, id, n))
}

func shopRecord(topic, key string, minute int, value string) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: []byte(key), Timestamp: noon.Add(time.Duration(minute) * time.Minute), Value: []byte(value)}
}

func (s *shop) produce(records ...*kgo.Record) {
	s.Helper()
	if err := s.client.ProduceSync(s.Context(), records...).FirstErr(); err != nil {
		s.Fatal(err)
	}
}

// trade fills the shop: orders of two shops with items, one without, and an item of which
// no order has come yet.
func (s *shop) trade() {
	s.Helper()
	for i := range 20 {
		id := fmt.Sprint("order", i)
		s.produce(order(id, []string{"left", "right"}[i%2], i), item(id, 1, i+1), item(id, 2, i+2))
	}
	s.produce(order("lonely", "left", 20), item("early", 1, 21))
	// Both tasks come to the same time in each topic, with records of which nothing is made.
	for _, topic := range []string{"orders", "items"} {
		for p := range 2 {
			r := shopRecord(topic, "", 25, fmt.Sprintf(`{"id":"z-%s-%d"}`, topic, p))
			r.Partition = int32(p)
			s.produceTo(r)
		}
	}
}

// produceTo produces to the record's own partition.
func (s *shop) produceTo(r *kgo.Record) {
	s.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		s.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(s.Context(), r).FirstErr(); err != nil {
		s.Fatal(err)
	}
}

// consume runs the stream to the end of its topics.
func (s *shop) consume() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	if err := runStream(ctx, s.file, nil, io.Discard, nil); err != nil {
		s.Fatal(err)
	}
}

// serve runs the stream until it is told to stop.
func (s *shop) serve() (stop func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- runStream(ctx, s.file, map[string]string{"STOP": "false"}, io.Discard, nil) }()
	return func() {
		s.Helper()
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	}
}

// state runs a command of state on the shop.
func (s *shop) state(args ...string) (string, error) {
	s.Helper()
	return run(s.T, stateCommand(), args...)
}

// stored is the live state of a task, read as a Kafka consumer would, marker and all.
func (s *shop) stored(task int32) map[string]string {
	s.Helper()
	const topic = "shop-changelog"
	ends, err := kadm.NewClient(s.client).ListCommittedOffsets(s.Context(), topic)
	if err != nil {
		s.Fatal(err)
	}
	end, _ := ends.Lookup(topic, task)
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {task: kgo.NewOffset().AtStart()}}))
	if err != nil {
		s.Fatal(err)
	}
	defer reader.Close()
	live := map[string]string{}
	for at := int64(0); at < end.Offset; {
		fetches := reader.PollFetches(s.Context())
		if err := fetches.Err(); err != nil {
			s.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			switch {
			case r.Attrs.IsControl() || r.Offset >= end.Offset:
			case r.Value == nil:
				delete(live, string(r.Key))
			default:
				live[string(r.Key)] = string(r.Value)
			}
		})
	}
	return live
}

// storedOf is what of it belongs to one operator; others is the rest, without the marker.
func storedOf(live map[string]string, label string) (own, others map[string]string) {
	own, others = map[string]string{}, maps.Clone(live)
	delete(others, "\x00m")
	for k, v := range others {
		if strings.HasPrefix(k, label+"\x00") {
			own[k] = v
			delete(others, k)
		}
	}
	return own, others
}
