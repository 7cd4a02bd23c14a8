package statefulkafka

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/group"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// tasks are those that the consumer group has assigned to this process.
type tasks struct {
	in      *input
	cluster *cluster
	member  *group.Member

	mu      sync.Mutex
	lives   map[int32]*life
	closing bool // no task is begun any more
}

// joinGroup makes the process a member of the stream's consumer group.
func joinGroup(in *input, c *cluster, instance string) (*tasks, error) {
	ts := &tasks{in: in, cluster: c, lives: map[int32]*life{}}
	ts.mu.Lock() // assignments wait until the member is known
	defer ts.mu.Unlock()
	var err error
	ts.member, err = group.Join(group.Config{
		Brokers: in.cfg.brokers, Group: in.cfg.group, Topics: in.cfg.topics,
		InstanceID: instance, SessionTimeout: in.cfg.sessionTimeout, ClientOpts: c.options(),
		Assigned: ts.assigned, Revoked: ts.revoked, Lost: ts.lost,
		Log: c.warn,
	})
	return ts, err
}

// assigned begins the lives of tasks.
func (ts *tasks) assigned(list []int32) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, p := range list {
		switch {
		case ts.closing || ts.lives[p] != nil:
		case p >= ts.cluster.partitions:
			ts.in.fail(host.Refuse("the topics of consumer group %s have got more partitions, now %d at least: keys would leave the tasks that hold their state; `tidemark topics repartition` copies topics into ones with another count",
				ts.in.cfg.group, p+1))
		default:
			ts.lives[p] = newLife(ts.in, ts.cluster, ts.member, p)
		}
	}
	ts.in.stream.Rebalanced(meter.Assigned)
}

// revoked ends the lives of tasks in peace. They are another's when it returns.
func (ts *tasks) revoked(list []int32) {
	ts.in.stream.Rebalanced(meter.Revoked)
	ts.each(list, func(l *life) { l.end(l.stop, host.ReasonRevoked, closingTime) })
}

// lost ends the lives of tasks that may be another's already.
func (ts *tasks) lost(list []int32) {
	ts.in.stream.Rebalanced(meter.Lost)
	ts.each(list, func(l *life) { l.drop("the membership of the consumer group is lost") })
}

// each does something to the lives of tasks, side by side, and forgets them.
func (ts *tasks) each(list []int32, do func(*life)) {
	var wg sync.WaitGroup
	for _, p := range list {
		ts.mu.Lock()
		l := ts.lives[p]
		ts.mu.Unlock()
		if l == nil {
			continue
		}
		wg.Go(func() {
			do(l)
			ts.mu.Lock()
			defer ts.mu.Unlock()
			if ts.lives[p] == l {
				delete(ts.lives, p)
			}
		})
	}
	wg.Wait()
}

// finishPause is the time between two looks whether a bounded run is over.
const finishPause = 100 * time.Millisecond

// finished waits for the end of a bounded run: all tasks of the group, here and in
// other processes, have emitted everything as final. It is false when ctx ends
// before. A process that left earlier would hand its tasks to one that has to end
// them again.
func (ts *tasks) finished(ctx context.Context) bool {
	for {
		if ts.allEnded(ctx) && ts.closeFinished() {
			return true
		}
		if pause(ctx, finishPause) != nil {
			return false
		}
	}
}

// allEnded asks the group whether every task has emitted everything before our end.
func (ts *tasks) allEnded(ctx context.Context) bool {
	ts.mu.Lock()
	for _, l := range ts.lives {
		if !l.isFinished() {
			ts.mu.Unlock()
			return false // there is no need to ask
		}
	}
	none := len(ts.lives) == 0
	ts.mu.Unlock()
	if none && !ts.idle(ctx) {
		return false
	}
	committed, err := ts.member.Fetch(ctx)
	if err != nil {
		if ctx.Err() == nil {
			ts.cluster.warn("Kafka does not tell the offsets of the consumer group", "error", err)
		}
		return false
	}
	for _, topic := range ts.in.cfg.topics {
		for p := range ts.cluster.partitions {
			end, _ := ts.cluster.ends.Lookup(topic, p)
			c, ok := committed.Lookup(topic, p)
			if !ok || c.At < end.Offset || c.Metadata != noteEnded {
				return false
			}
		}
	}
	return true
}

// idle tells whether others have all the tasks, rather than that none has been
// assigned yet: an earlier bounded run may have ended all there is.
func (ts *tasks) idle(ctx context.Context) bool {
	if ts.member.Confirm(ctx) != nil {
		return false
	}
	alone, err := ts.member.Alone(ctx)
	return err == nil && !alone
}

// closeFinished takes no more tasks if all of ours are finished. One that was
// assigned meanwhile has withdrawn what was final, and has to end first.
func (ts *tasks) closeFinished() bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, l := range ts.lives {
		if !l.isFinished() {
			return false
		}
	}
	ts.closing = true
	return true
}

// accounts are those of the tasks that this process has finished.
func (ts *tasks) accounts() (lines []task.Line) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for p := range ts.cluster.partitions {
		if l := ts.lives[p]; l != nil {
			lines = task.MergeLines(lines, l.lines())
		}
	}
	return lines
}

// leaveTimeout bounds how long a process that ends talks to the group.
const leaveTimeout = 5 * time.Second

// close ends all tasks and the membership. Others are told, so that they take over
// at once. A process that was alone says nothing: its successor under the same
// instance id, if it comes within the session timeout, has the tasks at once, where
// a group that has become empty lets its first member wait. One whose successor has
// taken its place has no membership to end.
func (ts *tasks) close() {
	ts.mu.Lock()
	ts.closing = true
	list := slices.Collect(maps.Keys(ts.lives))
	ts.mu.Unlock()
	ts.each(list, func(l *life) { l.end(l.quit, host.ReasonStopped, quittingTime) })

	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	alone, err := ts.member.Alone(ctx)
	if err != nil || ts.in.line.over(ts.in) || alone && ts.in.instance.Load() != nil && !ts.in.cfg.stopAtEnd {
		ts.member.Close()
		return
	}
	if err := ts.member.Leave(ctx); err != nil {
		ts.in.log.With("error", err).Warn("The consumer group learns when the session ends that this member has left")
	}
}

func (l *life) isFinished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finished
}

func (l *life) lines() []task.Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts
}
