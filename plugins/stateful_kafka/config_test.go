package statefulkafka

import (
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const minimal = `
seed_brokers: [ "a:1, b:2,", "c:3" ]
topics: [ x, y ]
consumer_group: g
`

func TestParse(t *testing.T) {
	conf, err := spec().ParseYAML(minimal, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(conf)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(c.brokers, " ") != "a:1 b:2 c:3" || strings.Join(c.topics, " ") != "x y" || c.group != "g" || c.stopAtEnd {
		t.Errorf("%+v", c)
	}
	if o := c.opts; o.BatchSize != 1024 || o.RowsPerMessage != 1 || o.EmitInterval != time.Second || o.CommitInterval != time.Second || o.IdleTimeout != time.Minute ||
		o.MaxFuture != 10*time.Minute || o.MaxOutOfOrderness.Std() != 2*time.Minute {
		t.Errorf("%+v", o)
	}
	for _, ok := range []string{"localhost", "localhost:9092", "broker-1.example.org:9092", "127.0.0.1:9092", "[::1]:9092", "a, b:1"} {
		if _, err := parseWith(t, "seed_brokers: [ '"+ok+"' ]"); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}

// parseWith parses a minimal config in which the field of text has another value.
func parseWith(t *testing.T, text string) (lint, err error) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(minimal) {
		if name, _, _ := strings.Cut(line, ":"); !strings.HasPrefix(text, name+":") {
			lines = append(lines, line)
		}
	}
	config := strings.Join(lines, "") + text
	b := service.NewStreamBuilder()
	lint = b.AddInputYAML("stateful_kafka:\n  " + strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n  "))
	conf, err := spec().ParseYAML(config, nil)
	if err != nil {
		return lint, err
	}
	_, err = parse(conf)
	return lint, err
}

// TestConfigErrors: what is wrong is refused at lint, and again by the constructor
// with the field's path.
func TestConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		`seed_brokers: []`:                        "seed_brokers: names no broker",
		`seed_brokers: [ "", "," ]`:               "seed_brokers: names no broker",
		`seed_brokers: [ "a:1", "localhost:x" ]`:  `seed_brokers.1: "localhost:x" is not of the form host:port`,
		`seed_brokers: [ "localhost:1:2" ]`:       `seed_brokers.0: "localhost:1:2" is not of the form host:port`,
		`seed_brokers: [ "kafka://localhost:1" ]`: `seed_brokers.0: "kafka://localhost:1" is not of the form host:port`,
		`topics: []`:                                    "topics: names no topic",
		`topics: [ "" ]`:                                `topics.0: "" is empty or named twice`,
		`topics: [ x, y, x ]`:                           `topics.2: "x" is empty or named twice`,
		`consumer_group: ""`:                            "consumer_group: is empty",
		`consumer_group: a/b`:                           `consumer_group: "a/b" names a topic and a folder too`,
		`consumer_group: ..`:                            `consumer_group: ".." names a topic and a folder too`,
		`cache_size: much`:                              `cache_size: "much" is not a size`,
		`cache_size: 64 parsecs`:                        `cache_size: "64 parsecs" is not a size`,
		`session_timeout: 0s`:                           `session_timeout: must be longer than 0`,
		`batch_size: 0`:                                 "batch_size: must be at least 1",
		`rows_per_message: 0`:                           "rows_per_message: must be at least 1",
		`emit_interval: soon`:                           `emit_interval: "soon" is not a duration`,
		`commit_interval: -1s`:                          `commit_interval: duration "-1s" is negative`,
		`commit_interval: 0s`:                           `commit_interval: must be longer than 0`,
		`watermark: { idle_timeout: 0s }`:               `watermark.idle_timeout: must be longer than 0`,
		`watermark: { idle_timeout: 1 year }`:           `watermark.idle_timeout: "1 year" is not a duration`,
		`watermark: { max_out_of_orderness: -5m }`:      `watermark.max_out_of_orderness: duration "-5m" is negative`,
		`watermark: { max_future: 10m, nonesuch: 1s }`:  ``,
		`processors: [ { nonesuch: {} } ]`:              ``,
		`processors: [ { dedup: { key: a, ttl: x } } ]`: ``,
	} {
		lint, err := parseWith(t, text)
		if lint == nil {
			t.Errorf("%s: passes lint", text)
		}
		if want != "" && (err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	for _, ok := range []string{"batch_size: 7", "rows_per_message: 1000", "cache_size: 1GiB", "cache_size: 64 MB", "state_dir: ''", "consumer_group: a.b_c-1"} {
		if lint, err := parseWith(t, ok); lint != nil || err != nil {
			t.Errorf("%s: %v, %v", ok, lint, err)
		}
	}
}

// TestConstructorErrors: a chain that does not fit is refused before anything runs.
func TestConstructorErrors(t *testing.T) {
	for processors, want := range map[string]string{
		`[ { label: d, avro_decode: { topics: { x: { schema: configs/avro/order.avsc } } } } ]`:                                                                                          `processors: d: topics: no schema for topic "y"`,
		`[ { avro_decode: { topics: { x: { schema: configs/avro/nonesuch.avsc } } } } ]`:                                                                                                 `avro_decode_0: topics.x.schema: schema configs/avro/nonesuch.avsc: there is no such file`,
		`[ { label: d, avro_decode: { topics: { x: { schema: configs/avro/order.avsc }, y: { schema: configs/avro/order.avsc } } } }, { label: u, dedup: { key: nonesuch, ttl: 1h } } ]`: `processors: u: key: olist.OrderCreated has no field "nonesuch"`,
		`[ { try: [ { dedup: { key: a, ttl: 1h } } ] } ]`:                                                                                                                                `processor dedup: a stateful operator stands directly in`,
	} {
		b := service.NewStreamBuilder()
		if err := b.SetYAML("input: { stateful_kafka: { seed_brokers: [ localhost:1 ], topics: [ x, y ], consumer_group: g, processors: " + processors + " } }\noutput: { drop: {} }\nlogger: { level: NONE }"); err != nil {
			t.Fatalf("%s: %v", processors, err)
		}
		s, err := b.Build()
		if err == nil {
			err = s.Run(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant %s", processors, err, want)
		}
	}
}
