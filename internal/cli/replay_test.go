package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lib/pq"
)

const besideInput = `
input:
  stateful_kafka: { seed_brokers: [ "localhost:1" ], topics: [ a ], consumer_group: old }
output:
`

// TestReplayRefuses: what does not go together is said before any server is asked.
func TestReplayRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, output string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(besideInput+output), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.yaml", `  pg_upsert: { dsn: "${POSTGRES_DSN}", table: t, key: [ a ], columns: [ a ] }`)
	own := file("own.yaml", `  pg_upsert: { dsn: "postgres://localhost/x", table: t, key: [ a ], columns: [ a ] }`)
	both := file("both.yaml", `  broker: { outputs: [ { drop: {} }, { kafka_events: { seed_brokers: [ "localhost:1" ], topic: b } } ] }`)
	none := filepath.Join(dir, "none.yaml")
	if err := os.WriteFile(none, []byte("input: { generate: { mapping: 'root = 1' } }\noutput: { drop: {} }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string]string{
		"repeat it with --yes":                    "",
		`--from "soon" is neither earliest nor`:   "--from soon --yes",
		"--switch and --file go with --as":        "--switch --yes",
		"asks the ledger in Postgres for them":    "--from 2018-01-01 --yes --no-postgres",
		"name its file with --file":               "--as new",
		"--as reads from the start":               "--as new --file " + good + " --from 2018-01-01",
		"repeat it with --yes.":                   "--as new --switch --file " + good,
		"is the consumer group of":                "--as old --file " + good,
		"which takes 63 bytes at most":            "--as " + strings.Repeat("n", 64) + " --file " + good,
		"names its database itself":               "--as new --file " + own,
		"kafka_events would be written a second":  "--as new --file " + both,
		"holds 0 streams with state":              "--as new --file " + none,
		"there is no stream /nonesuch":            "--as new --file /nonesuch",
		"has the consumer group tidemark-nothing": "--from 2018-01-01 --yes --consumer-group tidemark-nothing",
		"whose events Kafka still has":            "--from 2018-01-01 --yes --stream olist",
	} {
		want = strings.TrimSuffix(want, ".") // two of them ask for --yes
		_, err := run(t, replayCommand(), strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// TestSearchPath: both forms of a connection string lead to the other schema.
func TestSearchPath(t *testing.T) {
	for _, dsn := range []string{
		"postgres://me:pass%2Fword@localhost:5432/db?sslmode=disable", "host=localhost port=5432 user=me dbname=db sslmode=disable",
	} {
		cfg, err := pq.NewConfig(withSearchPath(dsn, `odd"na me`))
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.Runtime["search_path"]; got != `"odd""na me"` || cfg.User != "me" || cfg.Database != "db" {
			t.Errorf("%s: %q, %+v", dsn, got, cfg)
		}
	}
}
