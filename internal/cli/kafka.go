package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

// suffixEnv is appended to the names of the topics of events by the shipped streams:
// their topics are copies that "topics repartition" has made.
const suffixEnv = "TIDEMARK_TOPIC_SUFFIX"

// eventTopics are the topics that a stream may read together.
func eventTopics() []string {
	suffix := os.Getenv(suffixEnv)
	return []string{olistcsv.TopicOrders + suffix, olistcsv.TopicItems + suffix, olistcsv.TopicPayments + suffix}
}

// alertsTopic is where the stream of alerts sends them.
const alertsTopic = "olist.alerts"

// allTopics are the topics of the Olist streams: what is produced, and alerts.
func allTopics() []string { return append(olistTopics(), alertsTopic) }

// olistTopics are the topics that are produced.
func olistTopics() []string { return append(eventTopics(), olistcsv.TopicDeadLetters) }

const (
	firstKafkaWait   = time.Second
	longestKafkaWait = 10 * time.Second
	kafkaAskTimeout  = 10 * time.Second
)

const waitName = "wait"

// kafkaWaitFlag bounds how long withKafka waits for an answer.
func kafkaWaitFlag() ucli.Flag {
	return &ucli.DurationFlag{Name: waitName, Value: 30 * time.Second, Usage: "how long to wait for a Kafka that does not answer yet"}
}

// kafkaClient is a client of brokers, which connects when it is first used.
func kafkaClient(brokers []string) (*kgo.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ClientID("tidemark"), kgo.DisableClientMetrics())
	if err != nil {
		return nil, fmt.Errorf("brokers %s: %w", strings.Join(brokers, ","), err)
	}
	return client, nil
}

// openKafka connects to Kafka, trying again for as long as ctx lasts. Report is
// told of each failed attempt in one line.
func openKafka(ctx context.Context, brokers []string, report func(line string)) (*kgo.Client, error) {
	client, err := kafkaClient(brokers)
	if err != nil {
		return nil, err
	}
	for wait := firstKafkaWait; ; wait = min(2*wait, longestKafkaWait) {
		ask, done := context.WithTimeout(ctx, kafkaAskTimeout)
		err = client.Ping(ask)
		done()
		if err == nil {
			return client, nil
		}
		select {
		case <-ctx.Done():
		default:
			report(fmt.Sprintf("cannot reach Kafka at %s (%v), trying again in %v", strings.Join(brokers, ","), err, wait))
			select {
			case <-time.After(wait):
				continue
			case <-ctx.Done():
			}
		}
		client.Close()
		return nil, fmt.Errorf("cannot reach Kafka at %s: %w", strings.Join(brokers, ","), err)
	}
}

// missingTopics are those of topics that do not exist.
func missingTopics(ctx context.Context, client *kgo.Client, topics ...string) ([]string, error) {
	found, err := kadm.NewClient(client).ListTopics(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	var missing []string
	for _, t := range topics {
		switch d := found[t]; {
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition) || d.Err == nil && len(d.Partitions) == 0:
			missing = append(missing, t)
		case d.Err != nil:
			return nil, fmt.Errorf("topic %s: %w", t, d.Err)
		}
	}
	return missing, nil
}
