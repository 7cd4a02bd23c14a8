package stack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// stackKafka is a broker with the environment of the service, at other addresses and with
// the variables in more.
func stackKafka(t *testing.T, more ...string) (addr, properties string) {
	t.Helper()
	inside, host, controller := kit.FreeAddress(t), kit.FreeAddress(t), kit.FreeAddress(t)
	here := strings.NewReplacer(
		"://:9092", "://"+inside, "://kafka:9092", "://"+inside,
		"://:29092", "://"+host, "://localhost:29092", "://"+host,
		"://:9093", "://"+controller, "@kafka:9093", "@"+controller,
		"/var/lib/kafka/data", t.TempDir(),
	)
	s := project(t).Services["kafka"]
	set := variables(&s)
	env := []string{"CLUSTER_ID=5L6g3nShT-eMCtK--X86sw"} // the image's own
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+here.Replace(set[name]))
	}
	_, properties = kit.KafkaOfImage(t, append(env, more...))
	kit.AwaitKafka(t, host)
	return host, properties
}

// Records of 2016 stay, in topics of `tidemark topics create` and in those of others, and
// transactions need no more than the one broker.
func TestKafkaOfTheStack(t *testing.T) {
	addr, properties := stackKafka(t,
		"KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS=200", "KAFKA_LOG_INITIAL_TASK_DELAY_MS=200", "KAFKA_LOG_SEGMENT_DELETE_DELAY_MS=0")
	for _, line := range []string{"num.partitions=3", "log.retention.ms=-1", "transaction.state.log.replication.factor=1"} {
		if !strings.Contains("\n"+properties+"\n", "\n"+line+"\n") {
			t.Errorf("the broker's properties lack %s:\n%s", line, properties)
		}
	}
	topics := project(t).Services["topics"]
	kit.MustRun(t, kit.Command{Args: topics.Command, Env: []string{"KAFKA_BROKERS=" + addr}}, time.Minute)

	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID("stack"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	second := "1000"
	for name, config := range map[string]map[string]*string{"others": nil, "forgets": {"retention.ms": &second}} {
		if _, err := admin.CreateTopic(ctx, -1, -1, config, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"others", "olist.orders", "olist.order_items", "olist.payments", "olist.dead_letters", "olist.alerts"} {
		kit.Eventually(t, time.Minute, func() (bool, string) { // a broker learns of a new topic a moment later
			told, err := admin.ListTopics(ctx, name)
			return err == nil && len(told[name].Partitions) == 3, fmt.Sprint(name, told, err)
		})
	}

	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	long := time.Date(2016, 9, 4, 21, 15, 19, 0, time.UTC)
	for _, name := range []string{"others", "olist.orders", "forgets"} {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: name, Value: []byte("order"), Timestamp: long}).FirstErr(); err != nil {
			t.Fatal(name, err)
		}
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	// Once what may be deleted is, the rest would have been.
	kit.Eventually(t, time.Minute, func() (bool, string) {
		starts, err := admin.ListStartOffsets(ctx, "forgets")
		o, _ := starts.Lookup("forgets", 0)
		return err == nil && o.Offset > 0, "the topic that forgets keeps its record"
	})
	starts, err := admin.ListStartOffsets(ctx, "others", "olist.orders")
	if err != nil {
		t.Fatal(err)
	}
	starts.Each(func(o kadm.ListedOffset) {
		if o.Err != nil || o.Offset != 0 {
			t.Errorf("%s/%d begins at %d: %v", o.Topic, o.Partition, o.Offset, o.Err)
		}
	})
}
