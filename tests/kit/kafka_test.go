package kit_test

import (
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

func TestKafkaKeepsRecordsOverARestart(t *testing.T) {
	b := kit.Kafka(t)
	b.Reset(t, 3, "a", "b")
	client := b.Client(t)
	for i := range 100 {
		r := &kgo.Record{Topic: "a", Key: []byte(strconv.Itoa(i)), Value: []byte("v")}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.Stop(t)
	b.Start(t)
	if got := len(b.Records(t, "a", "b")); got != 100 {
		t.Errorf("%d records after a restart, want 100", got)
	}
	b.Reset(t, 1, "a")
	if got := len(b.Records(t, "a")); got != 0 {
		t.Errorf("%d records after a reset, want none", got)
	}
}

func TestKafkaPause(t *testing.T) {
	b := kit.Kafka(t)
	b.Reset(t, 1, "a")
	client := b.Client(t)
	b.Pause(t)
	answer := make(chan error, 1)
	client.Produce(t.Context(), &kgo.Record{Topic: "a", Value: []byte("v")}, func(_ *kgo.Record, err error) { answer <- err })
	select {
	case err := <-answer:
		t.Errorf("a paused broker answered: %v", err)
	default:
	}
	b.Resume(t)
	if err := <-answer; err != nil {
		t.Error(err)
	}
}
