package stateful

import (
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const minimal = `
name: shop
input: { generate: { mapping: 'root = {}' } }
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
	if c.name != "shop" || c.tasks != 1 || c.key != nil || c.time != nil || c.topic != nil || c.maxInFlight != 10000 || c.stateDir != ".tidemark/state" {
		t.Errorf("%+v", c)
	}
	if o := c.opts; o.BatchSize != 1024 || o.RowsPerMessage != 1 || o.EmitInterval != time.Second || o.CommitInterval != time.Second ||
		o.MaxFuture != 10*time.Minute || o.MaxOutOfOrderness.Std() != 2*time.Minute {
		t.Errorf("%+v", o)
	}
}

// TestConfigErrors: what is wrong is refused at lint, and again by the constructor
// with the field's path.
func TestConfigErrors(t *testing.T) {
	parsed := func(text string) (lint, err error) {
		config := minimal + text
		if name, _, _ := strings.Cut(text, ":"); strings.Contains(minimal, "\n"+name+":") {
			config = ""
			for line := range strings.Lines(minimal) {
				if !strings.HasPrefix(line, name+":") {
					config += line
				}
			}
			config += text
		}
		b := service.NewStreamBuilder()
		lint = b.AddInputYAML("stateful:\n  " + strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n  "))
		conf, err := spec().ParseYAML(config, nil)
		if err == nil {
			_, err = parse(conf)
		}
		return lint, err
	}
	for text, want := range map[string]string{
		`name: ""`:                 `name: "" names a folder`,
		`name: a/b`:                `name: "a/b" names a folder`,
		`name: ..`:                 `name: ".." names a folder`,
		`tasks: 0`:                 "tasks: must be a number from 1 to 1024",
		`tasks: 9999`:              "tasks: must be a number from 1 to 1024",
		`key: this.`:               "key: ",
		`event_time: 'nonesuch('`:  "event_time: ",
		`topic: '${! nonesuch( }'`: "topic: ",
		`max_in_flight: 0`:         "max_in_flight: must be at least 1",
		`cache_size: much`:         `cache_size: "much" is not a size`,
		`batch_size: 0`:            "batch_size: must be at least 1",
		`rows_per_message: 0`:      "rows_per_message: must be at least 1",
		`emit_interval: soon`:      `emit_interval: "soon" is not a duration`,
		`commit_interval: 0s`:      `commit_interval: must be longer than 0`,
		`watermark: { max_out_of_orderness: -5m }`:      `watermark.max_out_of_orderness: duration "-5m" is negative`,
		`watermark: { max_future: soon }`:               `watermark.max_future: "soon" is not a duration`,
		`watermark: { idle_timeout: 1m }`:               ``,
		`processors: [ { nonesuch: {} } ]`:              ``,
		`processors: [ { dedup: { key: a, ttl: x } } ]`: ``,
	} {
		lint, err := parsed(text)
		if lint == nil {
			t.Errorf("%s: passes lint", text)
		}
		if want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	for _, ok := range []string{"tasks: 7", "state_dir: ''", "name: a.b_c-1", "key: this.a + this.b", `topic: "x-${! @y }"`, "event_time: now()"} {
		if lint, err := parsed(ok); lint != nil || err != nil {
			t.Errorf("%s: %v, %v", ok, lint, err)
		}
	}
}

// TestConstructorErrors: a chain that does not fit is refused before anything runs, and
// so is an operator among the processors of the inner input.
func TestConstructorErrors(t *testing.T) {
	for input, want := range map[string]string{
		`{ name: x, input: { generate: { mapping: 'root = {}' } }, processors: [ { try: [ { dedup: { key: a, ttl: 1h } } ] } ] }`: "processor dedup: a stateful operator stands directly in",
		`{ name: x, input: { generate: { mapping: 'root = {}' }, processors: [ { dedup: { key: a, ttl: 1h } } ] } }`:              "(input.stateful_kafka.processors or input.stateful.processors), not in input.stateful.input.processors.0",
	} {
		b := service.NewStreamBuilder()
		if err := b.SetYAML("input: { stateful: " + input + " }\noutput: { drop: {} }\nlogger: { level: NONE }"); err != nil {
			t.Fatalf("%s: %v", input, err)
		}
		s, err := b.Build()
		if err == nil {
			err = s.Run(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant %s", input, err, want)
		}
	}
}
