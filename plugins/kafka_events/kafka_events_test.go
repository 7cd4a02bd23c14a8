package kafkaevents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestTimesOf(t *testing.T) {
	day := 24 * time.Hour
	for _, tc := range []struct {
		configs map[string]string
		want    topicTimes
	}{
		{nil, topicTimes{keeps: -1}},
		{map[string]string{configPolicy: "delete", configRetention: "-1"}, topicTimes{keeps: -1}},
		{map[string]string{configPolicy: "delete", configRetention: "86400000"}, topicTimes{keeps: day}},
		{map[string]string{configPolicy: "compact, delete", configRetention: "86400000"}, topicTimes{keeps: day}},
		{map[string]string{configPolicy: "compact", configRetention: "86400000"}, topicTimes{keeps: -1}},
		{map[string]string{configPolicy: "delete", configRetention: "9223372036854775807"}, topicTimes{keeps: maxRetention}},
		{map[string]string{configTimestampType: "LogAppendTime"}, topicTimes{keeps: -1, overwrites: true}},
		{map[string]string{configPolicy: "delete", UnfinishedConfig: UnfinishedValue}, topicTimes{keeps: -1, unfinished: true}},
		{map[string]string{configPolicy: "delete", UnfinishedConfig: "86400000"}, topicTimes{keeps: -1}},
		{map[string]string{configPolicy: "compact", UnfinishedConfig: UnfinishedValue}, topicTimes{keeps: -1}},
	} {
		if got := timesOf(tc.configs); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.configs, got, tc.want)
		}
	}
}

func TestRefuse(t *testing.T) {
	now := time.Date(2026, 1, 8, 0, 0, 0, 0, time.UTC)
	week := topicTimes{keeps: 7 * 24 * time.Hour}
	for _, tc := range []struct {
		times topicTimes
		at    time.Time
		want  string
	}{
		{week, now, ""},
		{week, now.Add(time.Hour), ""},
		{week, now.AddDate(0, 0, -7), ""},
		{week, now.AddDate(0, 0, -7).Add(-time.Millisecond), "retention.ms=604800000"},
		{topicTimes{keeps: 0}, now.Add(-1), "deletes records 0s after"},
		{topicTimes{keeps: -1}, time.UnixMilli(0), ""},
		{topicTimes{keeps: -1, overwrites: true}, now, "LogAppendTime"},
		{topicTimes{keeps: -1, unfinished: true}, now, "unfinished copy"},
	} {
		err := tc.times.refuse("t", tc.at, now)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v at %v: %v, want %q", tc.times, tc.at, err, tc.want)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		in        error
		permanent bool
		want      string
	}{
		{kerr.InvalidTimestamp, true, "topic t refuses the event times"},
		{kerr.TopicAuthorizationFailed, true, "topic t may not be written to"},
		{kerr.InvalidTopicException, true, `"t" is not a topic name`},
		{kerr.MessageTooLarge, false, "topic t: MESSAGE_TOO_LARGE"},
		{kerr.UnknownTopicOrPartition, false, "topic t: UNKNOWN"},
		{errors.New("broken pipe"), false, "topic t: broken pipe"},
	} {
		err := explain("t", tc.in)
		if isPermanent(err) != tc.permanent || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%v: %v", tc.in, err)
		}
	}
}

// logLines collects what is logged.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func logger(lines *logLines) *service.Logger {
	return service.NewLoggerFromSlog(slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	})))
}

func TestOutageLogsOneLineInThirtySeconds(t *testing.T) {
	var lines logLines
	now := time.Unix(1e9, 0)
	o := &outage{log: logger(&lines), now: func() time.Time { return now }, brokers: "b:9"}
	second := func(n int) {
		for range n {
			now = now.Add(time.Second)
			o.tick()
		}
	}
	second(100) // nothing waits
	o.begin()
	second(4)
	o.end(true)
	second(100)
	if lines.String() != "" {
		t.Fatal(lines.String())
	}
	o.begin()
	o.begin() // a second write waits as well
	second(34)
	o.OnBrokerConnect(nobody, 0, nil, errors.New("connection refused"))
	second(31)
	o.end(false) // given up by the stream, not answered
	o.end(true)
	second(100)
	o.begin()
	o.end(true)
	want := [][]string{
		{"Kafka takes no records: they wait, nothing is lost", "brokers=b:9", "duration=5s"},
		{"Kafka takes no records: they wait, nothing is lost", "brokers=b:9", "duration=35s", `error="connection refused"`},
		{"Kafka takes no records: they wait, nothing is lost", "brokers=b:9", "duration=1m5s", `error="connection refused"`},
		{"Kafka takes records again", "brokers=b:9", "duration=1m5s"},
	}
	got := strings.Split(strings.TrimSpace(lines.String()), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines:\n%s", len(got), lines.String())
	}
	for i := range want {
		for _, part := range want[i] {
			if !strings.Contains(got[i], part) {
				t.Errorf("line %d: %s", i, got[i])
			}
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, tc := range []struct{ conf, want string }{
		{"seed_brokers: []\ntopic: t", "at least one broker"},
		{"seed_brokers: [ ' , ' ]\ntopic: t", "at least one broker"},
		{"seed_brokers: [ a ]", "topic"},
		{"seed_brokers: [ a ]\ntopic: t\nmax_in_flight: 0", "max_in_flight"},
		{"seed_brokers: [ a ]\ntopic: t\nbatching: { count: 10 }", "period"},
	} {
		conf, err := spec().ParseYAML(tc.conf, nil)
		if err == nil {
			_, err = parseConfig(conf)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.conf, err, tc.want)
		}
	}
}

func TestLint(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for conf, want := range map[string]string{
		"kafka_events: { seed_brokers: [ a ], topic: t }":                                      "",
		"kafka_events: { seed_brokers: [ a ], topic: t, batching: { count: 10, period: 1s } }": "",
		"kafka_events: { seed_brokers: [ a ], topic: t, batching: { count: 10 } }":             "batching needs a period",
		"kafka_events: { seed_brokers: [], topic: t }":                                         "at least one broker",
		"kafka_events: { seed_brokers: [ a ], topic: t, max_in_flight: 0 }":                    "max_in_flight must be",
		"kafka_events: { seed_brokers: [ a ], topic: t, compression: brotli }":                 "brotli",
		"kafka_events: { seed_brokers: [ a ], topic: t, partitioner: random }":                 "random",
		"kafka_events: { seed_brokers: [ a ], topic: t, timestamp: 1 }":                        "timestamp",
	} {
		lints, err := linter.LintOutputYAML([]byte(conf))
		if err != nil {
			t.Fatal(conf, err)
		}
		got := fmt.Sprint(lints)
		if (want == "") != (len(lints) == 0) || !strings.Contains(got, want) {
			t.Errorf("%s: %s", conf, got)
		}
	}
}

// cancelled is a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
