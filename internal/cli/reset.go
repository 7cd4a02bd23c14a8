package cli

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/internal/survey"
)

// stateReset deletes all that consumer groups know of the past.
type stateReset struct {
	kafka *kgo.Client
	db    *sql.DB // nil leaves the rows
	dir   string  // holds a folder of local stores for each group
	out   io.Writer
	// patience is how long members of the groups are waited for.
	patience time.Duration
}

// run resets the groups one after the other and prints a line for each. It deletes
// nothing while one of them has members.
func (r stateReset) run(ctx context.Context, groups []string) error {
	if err := r.awaitUnused(ctx, groups); err != nil {
		return err
	}
	return r.each(ctx, groups, r.onKafka()...)
}

// onKafka are the steps for a consumer group.
func (r stateReset) onKafka() []resetStep {
	return []resetStep{r.offsets, r.changelog, r.folder, r.rows}
}

// runOnDisk does the same for streams that have their state in a folder alone, which the
// caller has locked. Rows without the state are refused by the next run, or by the next
// reset.
func (r stateReset) runOnDisk(ctx context.Context, streams []string) error {
	return r.each(ctx, streams, r.folder, r.rows)
}

// resetStep deletes a part of what is known of a stream, and says what it was.
type resetStep = func(ctx context.Context, name string) (string, error)

// each takes the steps for each name.
func (r stateReset) each(ctx context.Context, names []string, steps ...resetStep) error {
	for _, n := range names {
		done, err := r.all(ctx, n, steps)
		switch {
		case len(done) > 0:
			fmt.Fprintf(r.out, "%s: deleted %s\n", n, strings.Join(done, ", "))
		case err == nil:
			fmt.Fprintf(r.out, "%s: nothing to delete\n", n)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
	}
	return nil
}

// memberPatience is longer than the session of a consumer that has ended lasts.
const (
	memberPatience = 15 * time.Second
	memberPause    = 500 * time.Millisecond
)

// awaitUnused waits for the end of the sessions of consumers that have ended. One
// that runs is still there then.
func (r stateReset) awaitUnused(ctx context.Context, groups []string) error {
	for began, told := time.Now(), false; ; told = true {
		err := unused(ctx, r.kafka, groups)
		if !errors.Is(err, errUsed) || time.Since(began) > r.patience {
			return err
		}
		if !told {
			fmt.Fprintf(r.out, "Waiting, at most %v, for sessions of consumers that have ended\n", r.patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(memberPause):
		}
	}
}

// all takes the steps for one name and says what was deleted. Between any two steps a new
// run is right or refused, never wrong:
//
//   - The offsets go first, because the broker keeps them while the group has
//     members, and then nothing has changed. State without them is whole, since
//     the changelog holds the positions too.
//   - Without the changelog the streams start from earliest, with the first
//     generation: the ledger refuses it, or takes back what older ones wrote.
//   - The local folder is a copy of that changelog, and of no use without it.
//   - Rows deleted before the state would never be written again.
func (r stateReset) all(ctx context.Context, name string, steps []resetStep) (done []string, err error) {
	for _, step := range steps {
		what, err := step(ctx, name)
		if err != nil {
			return done, err
		}
		if what != "" {
			done = append(done, what)
		}
	}
	return done, nil
}

func (r stateReset) offsets(ctx context.Context, group string) (string, error) {
	_, err := kadm.NewClient(r.kafka).DeleteGroup(ctx, group)
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		return "", nil
	case errors.Is(err, kerr.NonEmptyGroup):
		return "", errors.New("a consumer has just joined: stop the consumers first")
	case err != nil:
		return "", fmt.Errorf("delete its offsets: %w", err)
	}
	return "its offsets", nil
}

// topicGonePause is waited between two looks for a topic that was deleted.
const topicGonePause = 50 * time.Millisecond

func (r stateReset) changelog(ctx context.Context, group string) (string, error) {
	topic := survey.ChangelogTopic(group)
	_, err := kadm.NewClient(r.kafka).DeleteTopic(ctx, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return "", nil
	}
	// Brokers hear of it one after the other, and streams that start meanwhile must
	// not take the old one for theirs.
	for there := true; err == nil && there; {
		if there, err = topicExists(ctx, r.kafka, topic); err != nil || !there {
			break
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(topicGonePause):
		}
	}
	if err != nil {
		return "", fmt.Errorf("delete topic %s: %w", topic, err)
	}
	return "topic " + topic, nil
}

// topicExists asks the broker: kadm answers from a cache, in which a deleted topic
// lives on.
func topicExists(ctx context.Context, client *kgo.Client, name string) (bool, error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	req.Topics = append(req.Topics, topic)
	req.AllowAutoTopicCreation = false
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return false, err
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return true, nil // also one whose leader is just being elected
		}
	}
	return false, nil
}

func (r stateReset) folder(_ context.Context, group string) (string, error) {
	root, err := os.OpenRoot(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Lstat(group); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err := root.RemoveAll(group); err != nil {
		return "", err
	}
	return "folder " + filepath.Join(r.dir, group), nil
}

func (r stateReset) rows(ctx context.Context, group string) (string, error) {
	if r.db == nil {
		return "", nil
	}
	n, err := deleteRows(ctx, r.db, group)
	if err != nil {
		return "", fmt.Errorf("delete its rows: %w", err)
	}
	if n == 0 {
		return "", nil
	}
	return humanize.Comma(n) + " rows", nil
}
