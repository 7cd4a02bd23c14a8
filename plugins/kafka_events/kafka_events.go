// Package kafkaevents writes messages to Kafka as records that keep their event
// time as timestamp.
package kafkaevents

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// topicTimes is what a topic's configuration does with record timestamps.
type topicTimes struct {
	// keeps is how long a record lives after its timestamp; negative is for ever.
	keeps time.Duration
	// overwrites tells that the broker replaces timestamps by its own time.
	overwrites bool
	// unfinished tells that the topic is a copy that is still being made.
	unfinished bool
}

// The configurations of a topic that topicTimes depends on.
const (
	configPolicy        = "cleanup.policy"
	configRetention     = "retention.ms"
	configTimestampType = "message.timestamp.type"
)

// timesOf reads a topic's configuration. What is missing counts as harmless.
func timesOf(configs map[string]string) topicTimes {
	t := topicTimes{keeps: -1, overwrites: configs[configTimestampType] == "LogAppendTime"}
	t.unfinished = Unfinished(func(key string) string { return configs[key] })
	deletes := false
	for policy := range strings.SplitSeq(configs[configPolicy], ",") {
		deletes = deletes || strings.TrimSpace(policy) == "delete"
	}
	if ms, err := strconv.ParseInt(configs[configRetention], 10, 64); err == nil && deletes && ms >= 0 {
		t.keeps = time.Duration(min(ms, int64(maxRetention/time.Millisecond))) * time.Millisecond
	}
	return t
}

// maxRetention is as good as for ever, and fits a time.Duration.
const maxRetention = 200 * 365 * 24 * time.Hour

// refuse tells why a record with this timestamp would not survive in the topic.
func (t topicTimes) refuse(topic string, at, now time.Time) error {
	if t.unfinished {
		return fmt.Errorf("topic %s is an unfinished copy, to which \"tidemark topics repartition\" writes: wait until it has ended; if it was interrupted, repeat it", topic)
	}
	if t.overwrites {
		return fmt.Errorf("topic %s replaces event times by the broker's time (message.timestamp.type=LogAppendTime): set it to CreateTime, or create the topic with \"tidemark topics create\"", topic)
	}
	if t.keeps >= 0 && now.Sub(at) > t.keeps {
		return fmt.Errorf("topic %s deletes records %v after their event time (retention.ms=%d), so one of %s would vanish at once: set retention.ms=-1, create the topic with \"tidemark topics create\", or rebase the replay to now",
			topic, t.keeps, t.keeps.Milliseconds(), at.UTC().Format(time.RFC3339))
	}
	return nil
}

// errPermanent marks errors that no retry can mend.
type errPermanent struct{ err error }

func (e errPermanent) Error() string { return e.err.Error() }
func (e errPermanent) Unwrap() error { return e.err }

func permanent(format string, args ...any) error {
	return errPermanent{fmt.Errorf(format, args...)}
}

func isPermanent(err error) bool {
	var p errPermanent
	return errors.As(err, &p)
}

// unknownTopic is the error for a topic that does not exist.
func unknownTopic(topic, brokers string) error {
	return permanent("topic %s does not exist on Kafka at %s: create it, for example with \"tidemark topics create\"", topic, brokers)
}

// explain turns what the broker answered for a record into an error for the
// user. Errors of the record alone and passing troubles are not permanent.
func explain(topic string, err error) error {
	switch {
	case errors.Is(err, kerr.InvalidTimestamp):
		return permanent("topic %s refuses the event times of records: see its message.timestamp.before.max.ms and message.timestamp.after.max.ms", topic)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed),
		errors.Is(err, kerr.TransactionalIDAuthorizationFailed), errors.Is(err, kerr.SaslAuthenticationFailed):
		return permanent("topic %s may not be written to: %w", topic, err)
	case errors.Is(err, kerr.InvalidTopicException):
		return permanent("%q is not a topic name", topic)
	}
	return fmt.Errorf("topic %s: %w", topic, err)
}
