package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a stream says in its own words stays as it is; rows leave it one by one, for
// the console, under a group of its own.
func TestWithoutPostgres(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "s.yaml")
	const stream = `
input:
  stateful_kafka:
    seed_brokers: [ "${KAFKA_BROKERS:localhost:9092}" ]
    consumer_group: g
    rows_per_message: "${ROWS:1000}"
output:
  pg_upsert: { table: t }
`
	if err := os.WriteFile(file, []byte(stream), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{"stdout", "drop"} {
		copies, err := withoutPostgres([]string{file}, t.TempDir(), output)
		if err != nil || len(copies) != 1 {
			t.Fatal(copies, err)
		}
		got, err := os.ReadFile(copies[0])
		if err != nil {
			t.Fatal(err)
		}
		want := `input:
    stateful_kafka:
        seed_brokers: ["${KAFKA_BROKERS:localhost:9092}"]
        consumer_group: g-console
        rows_per_message: 1
output:
    ` + output + `: {}
`
		if string(got) != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

// A stream without Kafka gets a name of its own too; what else has a name keeps it.
func TestWithoutPostgresOnDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.yaml")
	const stream = "input:\n    stateful:\n        name: shop\n        input:\n            amqp: {name: q}\noutput:\n    drop: {}\n"
	if err := os.WriteFile(file, []byte(stream), 0o600); err != nil {
		t.Fatal(err)
	}
	copies, err := withoutPostgres([]string{file}, t.TempDir(), "drop")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(copies[0])
	if want := strings.Replace(stream, "shop", "shop-console", 1); err != nil || string(got) != want {
		t.Errorf("%v, got %s\nwant %s", err, got, want)
	}
}
