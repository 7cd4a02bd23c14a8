package streams

import (
	"context"
	"errors"
	"fmt"
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
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		b.trouble = fmt.Sprintf("Kafka at %s does not answer within %v", strings.Join(b.addresses(), ", "), kafkaTime)
	case err != nil:
		b.trouble = strings.Join(strings.Fields(err.Error()), " ")
	}
	if b.trouble != "" {
		b.until = b.now().Add(kafkaPause)
		return nil, b.trouble
	}
	b.answer = make(map[string]survey.Stream, len(found))
	for _, s := range found {
		b.answer[s.Stream] = s
	}
	return b.answer, ""
}

func (b *brokers) addresses() []string {
	seeds, _ := b.client.OptValue(kgo.SeedBrokers).([]string)
	return seeds
}
