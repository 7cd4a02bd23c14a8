package changelog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	configPolicy     = "cleanup.policy"
	configSegment    = "segment.bytes"
	configTombstones = "delete.retention.ms"
	configMaxMessage = "max.message.bytes"

	compact = "compact"

	// segmentBytes bounds what a restore reads in vain: the last segment is not compacted.
	segmentBytes = 64 << 20
	// tombstoneRetention is how long a deletion can be read, twice the age of the
	// oldest local store that is still taken up.
	tombstoneRetention = 7 * 24 * time.Hour

	// visiblePause is waited between two looks for a topic that was just made.
	visiblePause = 50 * time.Millisecond
)

// Topic is the name of a consumer group's changelog.
func Topic(group string) string { return group + "-changelog" }

// Ensure makes the changelog of a consumer group where it is missing, with a
// partition for each task, and checks it where it exists: it must be compacted and
// nothing else, and have that many partitions. The identity tells this topic from
// all others, also from one of the same name that was deleted, or lies in another
// cluster; a local store is a copy of the topic with its identity only.
func Ensure(ctx context.Context, cl *kgo.Client, group string, partitions int32) (identity string, err error) {
	name := Topic(group)
	if identity, err = ensure(ctx, cl, name, partitions); err != nil {
		return "", fmt.Errorf("changelog %s: %w", name, err)
	}
	return identity, nil
}

func ensure(ctx context.Context, cl *kgo.Client, name string, partitions int32) (string, error) {
	admin := kadm.NewClient(cl)
	for made := false; ; {
		cluster, t, err := look(ctx, cl, name)
		if err != nil {
			return "", err
		}
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			if !made {
				if err := create(ctx, admin, name, partitions); err != nil {
					return "", err
				}
				made = true
				continue
			}
		case err == nil:
			if err := check(ctx, admin, name, int32(len(t.Partitions)), partitions); err != nil {
				return "", err
			}
			return cluster + "/" + kadm.TopicID(t.TopicID).String(), nil
		case !kerr.IsRetriable(err):
			return "", err
		}
		select { // brokers learn of a topic one after the other
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(visiblePause):
		}
	}
}

// Partitions is how many partitions the changelog of a consumer group has, 0 where there
// is none, and its identity. It makes nothing.
func Partitions(ctx context.Context, cl *kgo.Client, group string) (n int32, identity string, err error) {
	cluster, t, err := look(ctx, cl, Topic(group))
	if err == nil {
		err = kerr.ErrorForCode(t.ErrorCode)
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return 0, "", nil
	case err != nil:
		return 0, "", fmt.Errorf("changelog %s: %w", Topic(group), err)
	}
	return int32(len(t.Partitions)), cluster + "/" + kadm.TopicID(t.TopicID).String(), nil
}

// look asks for a topic and the cluster's id. It asks the broker: kadm answers from
// the client's cache, in which a topic that was made anew has its old id.
func look(ctx context.Context, cl *kgo.Client, name string) (cluster string, t kmsg.MetadataResponseTopic, err error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	req.Topics = append(req.Topics, topic)
	req.AllowAutoTopicCreation = false
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return "", t, err
	}
	if len(resp.Topics) != 1 {
		return "", t, fmt.Errorf("asked for one topic, the broker told of %d", len(resp.Topics))
	}
	if resp.ClusterID != nil {
		cluster = *resp.ClusterID
	}
	return cluster, resp.Topics[0], nil
}

func create(ctx context.Context, admin *kadm.Client, name string, partitions int32) error {
	made, err := admin.CreateTopics(ctx, partitions, -1, map[string]*string{
		configPolicy:     new(compact),
		configSegment:    new(strconv.Itoa(segmentBytes)),
		configTombstones: new(strconv.FormatInt(tombstoneRetention.Milliseconds(), 10)),
	}, name)
	if err == nil {
		err = made[name].Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // another process was faster
		return fmt.Errorf("create: %w", err)
	}
	return nil
}

func check(ctx context.Context, admin *kadm.Client, name string, have, want int32) error {
	if have != want {
		return fmt.Errorf("%w: it has %d partitions, the source topics have %d: state was written for %d tasks, and keys would leave theirs; `tidemark topics repartition` copies the sources into topics with another count",
			ErrUnfit, have, want, have)
	}
	s, err := describe(ctx, admin, name)
	if err != nil {
		return err
	}
	if s.policy != compact {
		return fmt.Errorf("%w: %s=%s deletes state: set it to %s, then run `tidemark replay`", ErrUnfit, configPolicy, s.policy, compact)
	}
	return nil
}

// settings are a topic's configs that matter here.
type settings struct {
	policy     string
	tombstones time.Duration
	maxMessage int32 // bytes of a batch
}

func describe(ctx context.Context, admin *kadm.Client, topic string) (s settings, err error) {
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return s, err
	}
	rc, err := configs.On(topic, nil)
	if err == nil {
		err = rc.Err
	}
	if err != nil {
		return s, err
	}
	for _, c := range rc.Configs {
		switch c.Key {
		case configPolicy:
			s.policy = c.MaybeValue()
		case configTombstones:
			var ms int64
			ms, err = strconv.ParseInt(c.MaybeValue(), 10, 64)
			s.tombstones = time.Duration(min(ms, int64(tombstoneRetention/time.Millisecond))) * time.Millisecond
		case configMaxMessage:
			var n int64
			n, err = strconv.ParseInt(c.MaybeValue(), 10, 32)
			s.maxMessage = int32(n)
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", c.Key, err)
		}
	}
	return s, nil
}
