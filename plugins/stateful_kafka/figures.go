package statefulkafka

import (
	"context"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
)

// horizon is the latest event time that is believed: one of the future tells nothing of
// how far the other records of a partition have come.
func (c *cluster) horizon() event.Time { return event.TimeOf(time.Now().Add(c.cfg.opts.MaxFuture)) }

// learn notes an event time of a record in the partition. The caller holds x.mu.
func (x *part) learn(at event.Time) { x.newest = max(x.newest, at) }

// learn tells the sources which event times, by topic and task, the partitions hold.
func (c *cluster) learn(newest map[string]map[int32]event.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sources {
		for _, x := range s.parts {
			if at, ok := newest[x.topic][x.partition]; ok {
				x.mu.Lock()
				x.learn(at)
				x.mu.Unlock()
			}
		}
	}
}

// end is where partition i ends, as far as is known; whoever asks has the brokers asked
// for what he learns when he asks again.
func (s *source) end(i int) (e meter.End, known bool) {
	signal(s.cluster.look)
	return s.known(i)
}

// known is the same without asking: as of the last fetch, or what others have asked for.
func (s *source) known(i int) (e meter.End, known bool) {
	x := s.parts[i]
	x.mu.Lock()
	defer x.mu.Unlock()
	return meter.End{Offset: x.stable, Newest: x.newest}, x.stable >= 0
}

// lookPause is the least time between two looks at the partitions for somebody who
// wants to see figures.
const lookPause = time.Second

// lookAtEnds asks the brokers for the ends of the partitions and their newest records when
// figures are looked at. A task with a backlog would learn of neither for a while.
func (c *cluster) lookAtEnds(ctx context.Context) {
	for {
		select {
		case <-c.look:
		case <-ctx.Done():
			return
		}
		if err := c.askNewest(ctx); err != nil && ctx.Err() == nil {
			c.log.With("error", err).Debug("Kafka does not tell the newest records of the topics")
		}
		select {
		case <-time.After(lookPause):
		case <-ctx.Done():
			return
		}
	}
}

func (c *cluster) askNewest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	listed, err := c.admin.ListMaxTimestampOffsets(ctx, c.cfg.topics...)
	horizon := c.horizon()
	newest := map[string]map[int32]event.Time{}
	for topic, parts := range listed {
		newest[topic] = map[int32]event.Time{}
		for p, l := range parts {
			if at := event.Time(l.Timestamp); l.Err == nil && l.Timestamp >= 0 && at <= horizon {
				newest[topic][p] = at
			}
		}
	}
	c.learn(newest)
	if err != nil {
		return err
	}
	return c.askEnds(ctx)
}

// live answers what is asked of a run's task when figures are looked at.
func (r *running) live() meter.Live {
	return meter.Live{Ends: r.source.end, Known: r.source.known, Disk: r.keeper.store.DiskUsage}
}

// metered has a run tell its figures.
func (l *life) metered(r *running, generation int64) *running {
	l.meter.Run(generation, r.runner.Accounts(), r.live())
	r.runner.Meter(l.in.stream, l.meter, r.keeper.store.Usage)
	return r
}

// restarts counts a run that an error has ended, unless it was asked to end.
func (l *life) restarts(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !l.ending() && !host.Refused(err) {
		l.in.stream.Restarted()
	}
}
