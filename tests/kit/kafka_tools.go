package kit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// KafkaTool is a run of one of Kafka's command line tools by its class, as
// org.apache.kafka.tools.TopicCommand, which kafka-topics.sh runs.
func KafkaTool(t testing.TB, class string, args ...string) Command {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal("kit: no cache folder for Kafka's jars:", err)
	}
	kafkaJars(t) // says what is missing
	dir := filepath.Join(cache, "tidemark-test", "kafka-tools-"+KafkaVersion)
	if err := once(dir, func(dir string) error {
		return fetchJars(dir, strings.ReplaceAll(kafkaPom, "kafka_2.13", "kafka-tools"))
	}); err != nil {
		Missing(t, "Kafka's tools could not be fetched: %v", err)
	}
	return Command{Path: "java", Args: append([]string{
		"-XX:TieredStopAtLevel=1", "-Xmx128m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(dir, "libs", "*"), class,
	}, args...)}
}
