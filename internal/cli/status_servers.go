package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/internal/survey"
)

// notReachable is the state of a server that gives no answer.
const notReachable = "not reachable"

// kafkaStatus says how many brokers there are, and whether the topics are.
func kafkaStatus(ctx context.Context, brokers, topics []string) serverStatus {
	s := serverStatus{name: "Kafka", where: strings.Join(brokers, ","), state: notReachable}
	client, err := kafkaNow(ctx, brokers)
	if err != nil {
		s.trouble = err.Error()
		return s
	}
	defer client.Close()
	found, err := kadm.NewClient(client).BrokerMetadata(ctx)
	var missing []string
	if err == nil {
		missing, err = missingTopics(ctx, client, topics...)
	}
	if err != nil {
		s.trouble = fmt.Sprintf("Kafka at %s: %v", s.where, err)
		return s
	}
	s.state = fmt.Sprintf("%d of %d topics; brokers: %d", len(topics)-len(missing), len(topics), len(found.Brokers))
	if len(missing) > 0 {
		s.trouble = fmt.Sprintf("Kafka at %s has no topics %s: create them with \"tidemark topics create\"", s.where, strings.Join(missing, ", "))
	}
	return s
}

// kafkaNow connects to a Kafka that answers before ctx ends.
func kafkaNow(ctx context.Context, brokers []string) (*kgo.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ClientID("tidemark-status"), kgo.DisableClientMetrics(),
		kgo.RequestTimeoutOverhead(statusTimeout)) // a new connection heeds only this while nothing is said
	if err == nil {
		if err = client.Ping(ctx); err == nil {
			return client, nil
		}
		client.Close()
	}
	return nil, fmt.Errorf("cannot reach Kafka at %s: %w", strings.Join(brokers, ","), err)
}

// postgresStatus says whether the tables are there.
func postgresStatus(ctx context.Context, dsn string) serverStatus {
	s := serverStatus{name: "Postgres", state: notReachable}
	var err error
	if s.where, err = pg.Target(dsn); err != nil {
		s.where, s.trouble = "-", err.Error()
		return s
	}
	pending, err := pg.Pending(ctx, dsn)
	switch {
	case err != nil:
		s.trouble = err.Error()
	case len(pending) > 0:
		s.state = fmt.Sprintf("not migrated; files to apply: %d", len(pending))
		s.trouble = fmt.Sprintf("Postgres at %s lacks %s: bring it up to date with \"tidemark db migrate\"", s.where, strings.Join(pending, ", "))
	default:
		s.state = "migrated"
	}
	return s
}

// registryStatus asks the schema registry at the first URL that answers.
func registryStatus(ctx context.Context, urls []string) serverStatus {
	s := serverStatus{name: "Schema registry", state: notReachable}
	var shown []string
	var failures []error
	for _, text := range urls {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			failures = append(failures, errors.New("the URL cannot be read")) // it may hold a password
			shown = append(shown, "-")
			continue
		}
		shown = append(shown, u.Redacted())
		if err := get(ctx, u.JoinPath("subjects").String()); err != nil {
			failures = append(failures, err)
			continue
		}
		s.state = "answers"
	}
	s.where = strings.Join(shown, ",")
	if len(failures) == len(urls) {
		s.trouble = fmt.Sprintf("schema registry at %s: %v", s.where, failures[0])
	}
	return s
}

// longestAnswer bounds what is read of an answer, and mostRepeated what is told of it.
const (
	longestAnswer = 1 << 20
	mostRepeated  = 200
)

// get asks for a page and wants 200 OK. The error is one line without the address.
func get(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errors.New("the address cannot be read")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil { // without the address, in which a password may stand
			err = cause
		}
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	if resp.StatusCode == http.StatusOK && err == nil {
		return nil
	}
	line := strings.ToValidUTF8(strings.Join(strings.Fields(string(text)), " "), "")
	return &answerError{resp.Status, line[:min(len(line), mostRepeated)]}
}

// answerError is an answer other than 200 OK.
type answerError struct{ status, text string }

func (e *answerError) Error() string { return strings.TrimRight(e.status+": "+e.text, ": ") }

// streamStatus is how a stream is; - stands for what is not known.
type streamStatus struct {
	stream, tasks, owned, lag, watermark string
	trouble                              string
}

// statusOfStream adds up the tasks of a consumer group.
func statusOfStream(ctx context.Context, brokers []string, group string) streamStatus {
	s := streamStatus{stream: group, tasks: "-", owned: "-", lag: "-", watermark: "-"}
	client, err := kafkaNow(ctx, brokers)
	if err != nil {
		s.trouble = fmt.Sprintf("stream %s: %v", group, err)
		return s
	}
	defer client.Close()
	found, err := survey.Survey{Client: client}.Streams(ctx, []string{group})
	if err != nil {
		s.trouble = fmt.Sprintf("stream %v", err) // it names the group
		return s
	}
	sumUp(&s, found[0])
	return s
}

func sumUp(s *streamStatus, found survey.Stream) {
	if !found.Exists {
		s.watermark = "has not run"
		return
	}
	owned, lag := 0, int64(0)
	var behind time.Time
	for _, t := range found.Tasks {
		if t.Owner != nil {
			owned++
		}
		if t.Lag != nil {
			lag += *t.Lag
			s.lag = fmt.Sprint(lag)
		}
		if t.Watermark == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, *t.Watermark)
		if err == nil && (behind.IsZero() || at.Before(behind)) {
			behind, s.watermark = at, *t.Watermark
		}
	}
	s.tasks, s.owned = fmt.Sprint(len(found.Tasks)), fmt.Sprint(owned)
}
