package kafkaevents

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// admit makes sure that a record's topic exists and will keep it. It waits for
// a broker that does not answer.
func (o *output) admit(ctx context.Context, client *kgo.Client, r *kgo.Record) error {
	o.mu.Lock()
	times, ok := o.topics[r.Topic]
	o.mu.Unlock()
	if !ok {
		var err error
		if times, err = o.ask(ctx, client, r.Topic); err != nil {
			return err
		}
		o.mu.Lock()
		o.topics[r.Topic] = times
		o.mu.Unlock()
	}
	if err := times.refuse(r.Topic, r.Timestamp, o.now()); err != nil {
		return errPermanent{err}
	}
	return nil
}

// ask finds out about a topic, however long the broker takes to answer.
func (o *output) ask(ctx context.Context, client *kgo.Client, topic string) (topicTimes, error) {
	o.outage.begin()
	answered := false
	defer func() { o.outage.end(answered) }()
	for absent := 0; ; {
		once, done := context.WithTimeout(ctx, askTimeout)
		times, err := o.askOnce(once, client, topic)
		done()
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			// A broker that has just started, or a topic that was just created, may be
			// unknown for a moment.
			if absent++; absent == absentTries {
				err = unknownTopic(topic, o.brokers)
			}
		}
		if err == nil || isPermanent(err) {
			answered = true
			return times, err
		}
		if o.pause(ctx, firstWait); ctx.Err() != nil {
			return topicTimes{}, ctx.Err()
		}
		o.outage.tick()
	}
}

func (o *output) askOnce(ctx context.Context, client *kgo.Client, topic string) (topicTimes, error) {
	free := topicTimes{keeps: -1}
	// The client's own metadata would be a few seconds old.
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr(topic)}}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return free, err
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return free, explain(topic, err)
		}
	}
	if !o.config.check {
		return free, nil
	}
	described, err := kadm.NewClient(client).DescribeTopicConfigs(ctx, topic)
	if err == nil {
		var rc kadm.ResourceConfig
		if rc, err = described.On(topic, nil); err == nil {
			err = rc.Err
		}
		configs := map[string]string{}
		for _, c := range rc.Configs {
			configs[c.Key] = c.MaybeValue()
		}
		if err == nil {
			return timesOf(configs), nil
		}
	}
	if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) {
		o.log.With("topic", topic).Warn("The configuration of the topic may not be read, so its retention is not checked")
		return free, nil
	}
	return free, err
}

func (o *output) forget(topic string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.topics, topic)
}
