package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

// fakeKafka is a broker within the test and a client of it.
func fakeKafka(t *testing.T) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := openKafka(context.Background(), cluster.ListenAddrs(), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return cluster, client
}

func TestCreateTopics(t *testing.T) {
	cluster, client := fakeKafka(t)
	ctx := context.Background()
	if err := cluster.CreateTopic(olistcsv.TopicItems, 3, nil); err != nil {
		t.Fatal(err)
	}
	if err := cluster.CreateTopic(olistcsv.TopicPayments, 2, nil); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := createTopics(ctx, client, keepAll(3, 1), &out)
	if err == nil || err.Error() != "olist.payments exists with 2 partitions, not 3" {
		t.Error(err)
	}
	if want := `created olist.orders: 3 partitions, keeps every record
exists olist.order_items: 3 partitions, keeps records for 168h0m0s after their event time
created olist.dead_letters: 3 partitions, keeps every record
created olist.alerts: 3 partitions, keeps every record
`; out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
	if client.ProduceSync(ctx, &kgo.Record{Topic: olistcsv.TopicOrders, Value: []byte("x")}).FirstErr() != nil {
		t.Error("a created topic takes no record")
	}
	out.Reset()
	if err := describeTopics(ctx, client, &out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"olist.orders all 3 1",
		"partitions DO NOT FIT: olist.orders has 3, olist.order_items has 3, olist.payments has 2;",
		"olist.payments 1 0 0 0",
		"olist.orders: cleanup.policy=delete compression.type=producer message.timestamp.type=CreateTime retention.bytes=-1 retention.ms=-1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestDescribeNamesMissingTopics(t *testing.T) {
	cluster, client := fakeKafka(t)
	if err := cluster.CreateTopic(olistcsv.TopicOrders, 1, nil); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := describeTopics(context.Background(), client, &out)
	if err == nil || err.Error() != `olist.order_items, olist.payments, olist.dead_letters, olist.alerts do not exist: create them with "tidemark topics create"` {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "olist.orders") {
		t.Error(out.String())
	}
}

func TestRetention(t *testing.T) {
	for in, want := range map[string]string{
		"-1": "ms=-1 bytes=-1", "7d": "ms=604800000 bytes=-1", "90m": "ms=5400000 bytes=-1", "10GB": "ms=-1 bytes=10000000000",
		"1GiB": "ms=-1 bytes=1073741824", "0s": "", "soon": "", "-5s": "", "": "", "7": "", "0B": "",
	} {
		spec := keepAll(1, 1)
		got := ""
		if err := setRetention(spec.configs, in); err == nil {
			got = "ms=" + spec.configs["retention.ms"] + " bytes=" + spec.configs["retention.bytes"]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestRetentionInWords(t *testing.T) {
	for want, configs := range map[string]map[string]string{
		"keeps every record": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
		"keeps records for 1h0m0s after their event time, keeps 1.0 GB a partition": {"cleanup.policy": "compact,delete", "retention.ms": "3600000", "retention.bytes": "1000000000"},
	} {
		if got := retention(configs); got != want {
			t.Error(got)
		}
	}
	if got := retention(map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}); got != "keeps every record" {
		t.Error(got)
	}
}

func TestOpenKafkaGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var lines []string
	_, err := openKafka(ctx, []string{"127.0.0.1:1"}, func(line string) {
		lines = append(lines, line)
		cancel()
	})
	if err == nil || !strings.HasPrefix(err.Error(), "cannot reach Kafka at 127.0.0.1:1: ") {
		t.Error(err)
	}
	if len(lines) != 1 || !strings.HasSuffix(lines[0], "trying again in 1s") {
		t.Error(lines)
	}
}
