package repartition

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	kafkaevents "github.com/tidemark-streams/tidemark/plugins/kafka_events"
)

// topic is what the brokers tell of a topic.
type topic struct {
	exists      bool
	partitions  int32
	led         int32 // partitions that have a leader
	replication int16
	configs     map[string]config
}

type config struct {
	value string
	own   bool // it was set for the topic, and is no default
}

const (
	configTimestamp  = "message.timestamp.type"
	configPolicy     = "cleanup.policy"
	configMaxMessage = "max.message.bytes"
)

// describe asks for a topic as it is now: kadm would answer from a cache.
func (j *Job) describe(ctx context.Context, name string) (t topic, err error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &name
	req.Topics = append(req.Topics, asked)
	resp, err := req.RequestWith(ctx, j.Client)
	if err == nil && len(resp.Topics) != 1 {
		err = fmt.Errorf("asked for one topic, the broker told of %d", len(resp.Topics))
	}
	if err != nil {
		return t, fmt.Errorf("topic %s: %w", name, err)
	}
	told := resp.Topics[0]
	switch err := kerr.ErrorForCode(told.ErrorCode); {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return t, nil
	case err != nil:
		return t, fmt.Errorf("topic %s: %w", name, err)
	}
	t.exists, t.partitions, t.configs = true, int32(len(told.Partitions)), map[string]config{}
	for _, p := range told.Partitions {
		t.replication = max(t.replication, int16(len(p.Replicas)))
		if p.ErrorCode == 0 && p.Leader >= 0 {
			t.led++
		}
	}
	described, err := kadm.NewClient(j.Client).DescribeTopicConfigs(ctx, name)
	var rc kadm.ResourceConfig
	if err == nil {
		rc, err = described.On(name, nil)
	}
	if err == nil {
		err = rc.Err
	}
	if err != nil {
		return t, fmt.Errorf("settings of %s: %w", name, err)
	}
	for _, c := range rc.Configs {
		t.configs[c.Key] = config{c.MaybeValue(), c.Source == kmsg.ConfigSourceDynamicTopicConfig}
	}
	return t, nil
}

// unfinished tells whether the topic is a copy that did not come to its end.
func (t topic) unfinished() bool {
	return t.exists && kafkaevents.Unfinished(func(key string) string { return t.configs[key].value })
}

// sources finds the old topics, and refuses what is no topic of events.
func (j *Job) sources(ctx context.Context) ([]topic, error) {
	var found []topic
	var missing []string
	for _, pair := range j.Pairs {
		t, err := j.describe(ctx, pair.From)
		if err != nil {
			return nil, err
		}
		switch {
		case !t.exists:
			missing = append(missing, pair.From)
		case t.unfinished():
			return nil, fmt.Errorf("%s is itself a copy that was not finished: repeat the command that made it", pair.From)
		case t.configs[configTimestamp].value == "LogAppendTime":
			return nil, fmt.Errorf("%s replaces event times (%s=LogAppendTime), so its records cannot be put in their order", pair.From, configTimestamp)
		case strings.Contains(t.configs[configPolicy].value, "compact"):
			return nil, fmt.Errorf("%s is compacted (%s=%s): it holds the last record of each key and not every event", pair.From, configPolicy, t.configs[configPolicy].value)
		}
		found = append(found, t)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: no such topic", strings.Join(missing, ", "))
	}
	return found, nil
}

// targets makes the new topics, marked as unfinished. Nothing is touched before it
// is known that all can be made. What an interrupted run has left is made anew;
// any other topic of such a name may be in use, and is left alone.
func (j *Job) targets(ctx context.Context, sources []topic) error {
	var old []string
	for _, pair := range j.Pairs {
		t, err := j.describe(ctx, pair.To)
		switch {
		case err != nil:
			return err
		case t.unfinished():
			old = append(old, pair.To)
		case t.exists:
			return fmt.Errorf("%s exists already, with %d partitions, and is no unfinished copy: delete it if nothing uses it, or choose another suffix", pair.To, t.partitions)
		}
	}
	for _, name := range old {
		if err := j.remove(ctx, name); err != nil {
			return fmt.Errorf("delete %s, which an interrupted run has left: %w", name, err)
		}
		j.Log(fmt.Sprintf("deleted %s, which an interrupted run has left unfinished", name))
	}
	for i, pair := range j.Pairs {
		if err := j.create(ctx, pair.To, sources[i]); err != nil {
			return fmt.Errorf("create %s: %w", pair.To, err)
		}
	}
	return nil
}

// visiblePause is waited between two looks for a topic that was made or deleted:
// brokers learn of it one after the other.
const visiblePause = 50 * time.Millisecond

func (j *Job) remove(ctx context.Context, name string) error {
	_, err := kadm.NewClient(j.Client).DeleteTopic(ctx, name)
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return err
	}
	for {
		t, err := j.describe(ctx, name)
		if err == nil && !t.exists || err != nil && !kerr.IsRetriable(err) {
			return err
		}
		if err := sleep(ctx, visiblePause); err != nil {
			return err
		}
	}
}

// notCopied are settings of the old topic that make no sense in the new one.
var notCopied = map[string]bool{
	"leader.replication.throttled.replicas": true, "follower.replication.throttled.replicas": true, // name partitions
	kafkaevents.UnfinishedConfig: true, // has a meaning of its own here, and none for the topic
}

func (j *Job) create(ctx context.Context, name string, source topic) error {
	configs := map[string]*string{}
	for key, c := range source.configs {
		if c.own && !notCopied[key] {
			configs[key] = &c.value
		}
	}
	for key, value := range j.Settings {
		if c := source.configs[key]; c.own && c.value != value {
			j.Log(fmt.Sprintf("%s is made with %s=%s, which is %s in the old topic", name, key, value, c.value))
		}
		configs[key] = &value
	}
	configs[kafkaevents.UnfinishedConfig] = kadm.StringPtr(kafkaevents.UnfinishedValue)
	made, err := kadm.NewClient(j.Client).CreateTopics(ctx, j.Partitions, source.replication, configs, name)
	if err != nil {
		return err
	}
	if r := made[name]; r.Err != nil {
		if r.ErrMessage != "" {
			return errors.New(r.ErrMessage)
		}
		return r.Err
	}
	for {
		t, err := j.describe(ctx, name)
		if err == nil && t.led == j.Partitions || err != nil && !kerr.IsRetriable(err) {
			return err
		}
		if err := sleep(ctx, visiblePause); err != nil {
			return err
		}
	}
}

// finish takes the mark away: the copies are whole.
func (j *Job) finish(ctx context.Context) error {
	var names []string
	for _, pair := range j.Pairs {
		names = append(names, pair.To)
	}
	altered, err := kadm.NewClient(j.Client).AlterTopicConfigs(ctx, []kadm.AlterConfig{
		{Op: kadm.DeleteConfig, Name: kafkaevents.UnfinishedConfig},
	}, names...)
	if err != nil {
		return fmt.Errorf("mark the copies as whole: %w", err)
	}
	for _, a := range altered {
		if a.Err != nil {
			return fmt.Errorf("mark %s as whole: %w", a.Name, a.Err)
		}
	}
	return nil
}

// batchBytes is the size of batches that the topic takes for sure.
func (t topic) batchBytes() int32 {
	const usual, most = 1_000_000, 64 << 20
	n, err := strconv.ParseInt(t.configs[configMaxMessage].value, 10, 32)
	if err != nil || n < 1 {
		return usual
	}
	return int32(min(n, most))
}

// retryPause is waited between two questions to a broker that does not answer. It is
// the client that says so (OnBrokerConnect).
const retryPause = time.Second

// offsets are where the partitions of a topic end, or start, as list tells, however
// long the brokers take to answer.
func offsets(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error), name string, partitions int32) ([]int64, error) {
	listed, err := list(ctx, name)
	for absent := 0; ; {
		if err == nil {
			err = listed.Error()
		}
		if err == nil {
			break
		}
		if answered(err) && !kerr.IsRetriable(err) {
			return nil, fmt.Errorf("offsets of %s: %w", name, err)
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			if absent++; absent == absentTries {
				return nil, fmt.Errorf("%s was deleted", name)
			}
		}
		if err := sleep(ctx, retryPause); err != nil {
			return nil, err
		}
		listed, err = list(ctx, name)
	}
	found := make([]int64, partitions)
	for p := range partitions {
		o, ok := listed.Lookup(name, p)
		if !ok {
			return nil, fmt.Errorf("offsets of %s: the broker does not know partition %d", name, p)
		}
		found[p] = o.Offset
	}
	if n := len(listed[name]); n != int(partitions) {
		return nil, fmt.Errorf("%s has got more partitions meanwhile, now %d: delete the unfinished copies and begin anew", name, n)
	}
	return found, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// connect makes a client like the one that asks.
func (j *Job) connect(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(append([]kgo.Opt{kgo.WithHooks(j)}, j.Options...), opts...)...)
}
