package stack

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// threeBrokers starts a cluster with the settings that docs/deploy.md shows.
func threeBrokers(t *testing.T) (brokers []*kit.Process, addrs string) {
	t.Helper()
	shown := regexp.MustCompile("(?s)```properties\n(.*?)```").FindStringSubmatch(read(t, "docs", "deploy.md"))
	if shown == nil {
		t.Fatal("docs/deploy.md shows no settings of brokers")
	}
	const size = 3
	var inside, voters []string
	for id := range size {
		inside = append(inside, kit.FreeAddress(t))
		voters = append(voters, fmt.Sprintf("%d@%s", id+1, kit.FreeAddress(t)))
	}
	for id := range size {
		_, controller, _ := strings.Cut(voters[id], "@")
		broker, _ := kit.KafkaOfImage(t, append(strings.Split(strings.TrimSpace(shown[1]), "\n"),
			"CLUSTER_ID=5L6g3nShT-eMCtK--X86sw", fmt.Sprintf("KAFKA_NODE_ID=%d", id+1), "KAFKA_PROCESS_ROLES=broker,controller",
			"KAFKA_CONTROLLER_QUORUM_VOTERS="+strings.Join(voters, ","), "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
			"KAFKA_LISTENERS=PLAINTEXT://"+inside[id]+",CONTROLLER://"+controller, "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://"+inside[id],
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "KAFKA_LOG_DIRS="+t.TempDir(),
			// Fewer than the 50 partitions of a real cluster: they start sooner.
			"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=3", "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS=3",
		))
		brokers = append(brokers, broker)
	}
	for _, addr := range inside {
		kit.AwaitKafka(t, addr)
	}
	return brokers, strings.Join(inside, ",")
}

// One of three brokers dies in the middle of producing and consuming, and every final row
// is the oracle's.
func TestThreeBrokers(t *testing.T) {
	const orders = 1500
	events, _, err := golden.Read(kit.Olist(t), golden.Selection{Limit: orders})
	if err != nil {
		t.Fatal(err)
	}
	brokers, addrs := threeBrokers(t)
	db := kit.Postgres(t)
	env := []string{"KAFKA_BROKERS=" + addrs, "POSTGRES_DSN=" + db.DSN, "TIDEMARK_STATE_DIR=" + t.TempDir()}
	command := func(args ...string) kit.Command { return kit.Command{Args: args, Env: env} }
	kit.MustRun(t, command("topics", "create", "--replication-factor", "3"), time.Minute)
	kit.MustRun(t, command("db", "migrate"), time.Minute)
	rows := func(atLeast int) func() (bool, string) {
		return func() (bool, string) {
			var n int
			err := db.DB.QueryRow("select coalesce(sum(total_orders), 0) from real_time_funnel").Scan(&n)
			return err == nil && n >= atLeast, fmt.Sprintf("%d orders of %d (%v)", n, atLeast, err)
		}
	}

	consumer := kit.Start(t, command("consume", "--no-console"))
	producer := kit.Start(t, command("produce", "--dataset-dir", kit.Olist(t), "--limit", fmt.Sprint(orders), "--speed", "100000", "--max-gap", "5ms"))
	kit.Eventually(t, patience, rows(orders/10))
	if !producer.Running() {
		t.Fatal("all is produced before the broker dies")
	}
	leader := leaderOf(t, addrs, "tidemark-funnel-changelog")
	brokers[leader-1].Signal(t, syscall.SIGKILL)
	if r := producer.Wait(t, patience); r.Code != 0 {
		t.Fatalf("produce: exit code %d", r.Code)
	}
	kit.Eventually(t, patience, rows(orders))
	consumer.Signal(t, syscall.SIGTERM)
	if r := consumer.Wait(t, time.Minute); r.Code != 0 {
		t.Fatalf("consume: exit code %d", r.Code)
	}
	kit.MustRun(t, command("consume", "--stop-at-end", "--no-console"), patience)

	got, err := golden.Load(t.Context(), db.DB)
	if err != nil {
		t.Fatal(err)
	}
	if diff := golden.Diff(golden.Compute(events, golden.Defaults()), got); len(diff) > 0 {
		t.Errorf("%d rows differ:\n%s", len(diff), strings.Join(diff[:min(12, len(diff))], "\n"))
	}
}

// leaderOf makes sure that all partitions of a topic have three replicas, and returns the
// broker that leads the first.
func leaderOf(t *testing.T, addrs, topic string) int32 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(addrs, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	told, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err != nil || told.Error() != nil {
		t.Fatal(err, told.Error())
	}
	for _, p := range told[topic].Partitions {
		if len(p.Replicas) != 3 {
			t.Errorf("%s/%d has the replicas %v", topic, p.Partition, p.Replicas)
		}
	}
	return told[topic].Partitions[0].Leader
}
