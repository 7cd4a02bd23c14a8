package kit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaOfImage starts a broker of its own, as a container of the image apache/kafka with
// this environment would: the class that the image starts with makes Kafka's properties
// of the variables and formats the log folder. Properties are those that were made. The
// broker ends with the test; AwaitKafka waits until it answers.
func KafkaOfImage(t testing.TB, env []string) (broker *Process, properties string) {
	t.Helper()
	jars := filepath.Join(kafkaJars(t), "*")
	dir := t.TempDir()
	for _, name := range []string{"default", "mounted", "final"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal("kit:", err)
		}
	}
	java := func(args ...string) Command {
		return Command{Path: "java", Dir: dir, Env: env, Args: append([]string{
			"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx384m", "-cp", jars,
			"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		}, args...)}
	}
	MustRun(t, java("kafka.docker.KafkaDockerWrapper", "setup", "--default-configs-dir", "default",
		"--mounted-configs-dir", "mounted", "--final-configs-dir", "final"), serverPatience)
	made := filepath.Join(dir, "final", "server.properties")
	text, err := os.ReadFile(made)
	if err != nil {
		t.Fatal("kit:", err)
	}
	return Start(t, java("kafka.Kafka", made)), string(text)
}

// AwaitKafka returns when the broker at an address answers.
func AwaitKafka(t testing.TB, addr string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal("kit:", err)
	}
	defer client.Close()
	Eventually(t, serverPatience, func() (bool, string) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := client.Ping(ctx)
		return err == nil, fmt.Sprint("Kafka at ", addr, ": ", err)
	})
}
