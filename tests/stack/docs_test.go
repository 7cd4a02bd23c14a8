package stack

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// kafkaTools are the classes that scripts in /opt/kafka/bin of the image run.
var kafkaTools = map[string]string{
	"kafka-topics.sh":           "org.apache.kafka.tools.TopicCommand",
	"kafka-consumer-groups.sh":  "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-get-offsets.sh":      "org.apache.kafka.tools.GetOffsetShell",
	"kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}

// dockerExecs are the commands of the documentation that run in a container, each the
// container's name and what it is to run.
func dockerExecs(t *testing.T) (all [][2]string) {
	t.Helper()
	pages, err := fs.Glob(os.DirFS(at(t)), "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	inText := regexp.MustCompile("docker exec ([^ `]+) ([^`\n]+)")
	for _, page := range append(pages, "README.md") {
		for _, m := range inText.FindAllStringSubmatch(read(t, page), -1) {
			all = append(all, [2]string{m[1], m[2]})
		}
	}
	if len(all) < 5 {
		t.Fatalf("only %d commands in all pages", len(all))
	}
	return all
}

// What the documentation runs with Kafka's own tools in the container works: the tools lie
// where it says, topics and groups are those of the shipped streams, and the arguments are
// taken.
func TestKafkaCommandsOfTheDocs(t *testing.T) {
	broker := kit.Kafka(t)
	broker.Reset(t, 3)
	env := []string{"KAFKA_BROKERS=" + broker.Addr(), "POSTGRES_DSN=" + kit.Postgres(t).DSN, "TIDEMARK_STATE_DIR=" + t.TempDir()}
	for _, args := range [][]string{{"topics", "create"}, {"db", "migrate"}, {"consume", "--stop-at-end", "--no-console"}} {
		kit.MustRun(t, kit.Command{Args: args, Env: env}, 2*time.Minute)
	}
	containers := map[string]string{}
	for name, s := range project(t).Services {
		containers[s.ContainerName] = name
	}
	for _, c := range dockerExecs(t) {
		service := containers[c[0]]
		if c[0] == "" || service == "" {
			t.Errorf("docker exec %s: there is no such container", c[0])
			continue
		}
		words := strings.Fields(c[1])
		if service != "kafka" {
			if words[0] != "psql" {
				t.Errorf("docker exec %s %s: does it have that?", c[0], c[1])
			}
			continue
		}
		script, found := strings.CutPrefix(words[0], "/opt/kafka/bin/")
		class := kafkaTools[script]
		if !found || class == "" {
			t.Errorf("docker exec %s %s: no tool of the image by its full path", c[0], c[1])
			continue
		}
		args := slices.Clone(words[1:])
		at := slices.Index(args, "kafka:9092")
		if at < 1 || args[at-1] != "--bootstrap-server" {
			t.Errorf("%s asks no broker", c[1])
			continue
		}
		args[at] = broker.Addr()
		r := kit.Run(t, kit.KafkaTool(t, class, args...), time.Minute)
		// Of a topic or group that there is not, some say so, and some end with an error.
		if output := strings.ToLower(r.Output()); r.Code != 0 || strings.Contains(output, "does not exist") || strings.Contains(output, "could not match") {
			t.Errorf("%s: exit code %d\n%s", c[1], r.Code, r.Output())
		}
	}
}

// The SQL of the pages of operators runs.
func TestQueriesOfTheRunbook(t *testing.T) {
	db := kit.Postgres(t)
	kit.MustRun(t, kit.Command{Args: []string{"db", "migrate"}, Env: []string{"POSTGRES_DSN=" + db.DSN}}, time.Minute)
	queries := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(read(t, "docs", "runbook.md"), -1)
	for _, c := range dockerExecs(t) {
		if m := regexp.MustCompile(`psql .*-c '([^']+)'`).FindStringSubmatch(c[1]); m != nil {
			queries = append(queries, m)
		}
	}
	if len(queries) < 2 {
		t.Fatalf("%d queries", len(queries))
	}
	for _, q := range queries {
		if _, err := db.DB.Exec(q[1]); err != nil {
			t.Errorf("%s: %v", q[1], err)
		}
	}
}
