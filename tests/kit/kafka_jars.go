package kit

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// KafkaVersion is the Apache Kafka that the tests run.
const KafkaVersion = "4.3.0"

//go:embed kafka_pom.xml
var kafkaPom string

// kafkaJars returns the folder of Kafka's jars, fetched once per machine and
// version with Maven into the user's cache.
func kafkaJars(t testing.TB) string {
	t.Helper()
	const advice = "install Java 17 or later and Maven (Debian: apt-get install default-jre-headless maven)"
	if _, err := exec.LookPath("java"); err != nil {
		Missing(t, "no java for a real Kafka: %s", advice)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal("kit: no cache folder for Kafka's jars:", err)
	}
	dir := filepath.Join(cache, "tidemark-test", "kafka-"+KafkaVersion)
	if err := once(dir, fetchKafka); err != nil {
		Missing(t, "Kafka's jars could not be fetched, %s: %v", advice, err)
	}
	return filepath.Join(dir, "libs")
}

// once fills dir unless it is filled already. Test binaries of several packages may come
// here at once; a file lock lets one of them work.
func once(dir string, fill func(dir string) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lock, err := os.Create(filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	done := filepath.Join(dir, ".done")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := fill(dir); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o644)
}

func fetchKafka(dir string) error { return fetchJars(dir, kafkaPom) }

func fetchJars(dir, project string) error {
	pom := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(pom, []byte(strings.ReplaceAll(project, "KAFKA_VERSION", KafkaVersion)), 0o644); err != nil {
		return err
	}
	return maven("-f", pom, "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
		"-DoutputDirectory=libs", "-DincludeScope=runtime")
}

func maven(args ...string) error {
	out, err := exec.Command("mvn", append([]string{"-B", "-q"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mvn: %w\n%s", err, out)
	}
	return nil
}
