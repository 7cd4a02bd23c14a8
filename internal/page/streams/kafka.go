package streams

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/survey"
)

const (
	// kafkaTime is how long the brokers may take to answer.
	kafkaTime = 2 * time.Second
	// kafkaAge is for how long an answer serves, kafkaPause how long after none they are
	// asked again.
	kafkaAge   = time.Second
	kafkaPause = 5 * time.Second
)

// brokers asks Kafka about the streams, and remembers the answer for a while.
type brokers struct {
	client *kgo.Client // nil for no Kafka
	now    func() time.Time

	groups  []string
	answer  map[string]survey.Stream
	trouble string
	until   time.Time
}

// ask returns what is known of groups, by group, or why nothing is, in one line.
func (b *brokers) ask(ctx context.Context, groups []string) (map[string]survey.Stream, string) {
	if b.client == nil {
		return nil, "no brokers are given"
	}
	if b.now().Before(b.until) && (b.trouble != "" || slices.Equal(groups, b.groups)) {
		return b.answer, b.trouble
	}
	limited, done := context.WithTimeout(ctx, kafkaTime)
	defer done()
	found, err := survey.Survey{Client: b.client, Brief: true}.Streams(limited, groups)
	if ctx.Err() != nil {
		return nil, ctx.Err().Error() // it was not Kafka's fault
	}
	b.groups, b.answer, b.trouble, b.until = groups, nil, "", b.now().Add(kafkaAge)
	if err != nil {
		b.trouble = b.describe(err)
		b.until = b.now().Add(kafkaPause)
		return nil, b.trouble
	}
	b.answer = make(map[string]survey.Stream, len(found))
	for _, s := range found {
		b.answer[s.Stream] = s
	}
	return b.answer, ""
}

// describe is an error in one line.
func (b *brokers) describe(err error) string {
	at := strings.Join(b.addresses(), ", ")
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("Kafka at %s does not answer within %v", at, kafkaTime)
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok {
		err = dial // and not which request has failed with it
	}
	return "Kafka at " + at + ": " + strings.Join(strings.Fields(err.Error()), " ")
}

func (b *brokers) addresses() []string {
	seeds, _ := b.client.OptValue(kgo.SeedBrokers).([]string)
	return seeds
}
