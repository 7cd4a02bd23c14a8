// Package group is the membership of one process in one consumer group: which tasks
// are this process's, and the group's committed offsets. A task is one partition
// number of all the group's topics. Records are not read here.
package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrNotMember says that the process is no member of the group's current generation.
var ErrNotMember = errors.New("not a member of the group any more")

// leaveTimeout bounds the last words of a member that has no more time.
const leaveTimeout = time.Second

// rebalanceTimeout is how long the coordinator waits for a member that hands over
// tasks before it throws it out.
const rebalanceTimeout = 60 * time.Second

// Config says which group to join, and whom to tell of tasks.
//
// The callbacks are called one at a time. None starts once Close or Leave was called.
type Config struct {
	Brokers []string
	Group   string
	Topics  []string
	// InstanceID makes the membership static: it outlasts the process by the session
	// timeout. Empty: dynamic. Of two processes with the same id the later one is the
	// member; the earlier one loses its tasks, says so in the log, and stays out until
	// the other's membership has ended.
	InstanceID string
	// SessionTimeout is how long a member may be silent, 10 s if zero.
	SessionTimeout time.Duration
	// ClientOpts are options of the client, such as TLS; they come before the member's own.
	ClientOpts []kgo.Opt
	// Assigned is given tasks that are this member's from now on. It must not block.
	Assigned func(tasks []int32)
	// Revoked is given tasks that are to be handed over: when it returns, they are
	// finished and committed. The membership lasts meanwhile, for at most the 60 s
	// that the group waits.
	Revoked func(tasks []int32)
	// Lost is given tasks that somebody else may own already, as the membership was
	// lost. The member joins again by itself. It should not block.
	Lost func(tasks []int32)
	// Log is told of trouble with the membership that is worth a warning. May be nil.
	// Fields are names and values in turn.
	Log func(message string, fields ...any)
}

// A Member is the membership of this process in a consumer group. Its methods may be
// called from several goroutines.
type Member struct {
	cfg       Config
	heartbeat time.Duration
	cl        *kgo.Client
	ctx       context.Context
	cancel    context.CancelFunc
	work      sync.WaitGroup
	closed    sync.Once

	mu      sync.Mutex
	held    map[int32]map[string]bool // of each task the topics that were assigned
	ended   bool                      // no more callbacks
	checked bool                      // the group was looked through since this membership began

	losses atomic.Int64 // how many times the membership was lost
	warned warnings
}

// Join begins to join a group and returns at once; what goes wrong later is retried
// for as long as the member lives.
func Join(cfg Config) (*Member, error) {
	if cfg.Group == "" || len(cfg.Topics) == 0 {
		return nil, errors.New("a group has a name and topics")
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	// A member hears of a round with its next heartbeat, so the interval is most of
	// the time that a change takes.
	m := &Member{cfg: cfg, heartbeat: cfg.SessionTimeout / 10, held: make(map[int32]map[string]bool)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	opts := append([]kgo.Opt{kgo.SeedBrokers(cfg.Brokers...)}, cfg.ClientOpts...)
	opts = append(opts,
		kgo.WithContext(m.ctx),
		kgo.ConsumerGroup(cfg.Group),
		kgo.ConsumeTopics(cfg.Topics...),
		kgo.Balancers(balancer{m.warn}),
		kgo.SessionTimeout(cfg.SessionTimeout),
		kgo.HeartbeatInterval(m.heartbeat),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.assigned(parts) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.gone(parts, m.cfg.Revoked) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.lost(parts) }),
		// The client fetches from partitions that it has a position for: it is given none.
		kgo.AdjustFetchOffsetsFn(func(context.Context, map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return nil, nil
		}),
	)
	if cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(cfg.InstanceID))
	}
	m.mu.Lock() // callbacks wait until the client is known
	defer m.mu.Unlock()
	var err error
	if m.cl, err = kgo.NewClient(opts...); err != nil {
		m.cancel()
		return nil, fmt.Errorf("group %s: %w", cfg.Group, err)
	}
	m.work.Go(m.poll)
	return m, nil
}

// poll takes the client's errors. There are no records.
func (m *Member) poll() {
	for {
		fetches := m.cl.PollFetches(m.ctx)
		if m.ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			m.warn("Membership in the consumer group is in trouble", "error", m.explain(err))
		})
	}
}

func (m *Member) explain(err error) error {
	if errors.Is(err, kerr.FencedInstanceID) {
		return fmt.Errorf("another process is the member %s; if it runs on another machine, the state folder was copied: remove the copy: %w", m.cfg.InstanceID, err)
	}
	return err
}

// warn logs what it has not logged lately.
func (m *Member) warn(message string, fields ...any) {
	if m.warned.due(fmt.Sprint(append([]any{message}, fields...)...)) {
		m.cfg.Log(message, fields...)
	}
}

func (m *Member) assigned(parts map[string][]int32) {
	m.mu.Lock()
	if m.ended {
		m.mu.Unlock()
		return
	}
	var tasks []int32
	for topic, ps := range parts {
		for _, p := range ps {
			if m.held[p] == nil {
				m.held[p] = make(map[string]bool)
				tasks = append(tasks, p)
			}
			m.held[p][topic] = true
		}
	}
	check := !m.checked && m.cfg.InstanceID != ""
	m.checked = true
	m.mu.Unlock()
	if check {
		m.work.Go(m.check)
	}
	tell(m.cfg.Assigned, tasks)
}

// gone takes partitions away. A task is held as long as any of its partitions is:
// the balancer gives it to nobody else before.
func (m *Member) gone(parts map[string][]int32, f func([]int32)) []int32 {
	m.mu.Lock()
	if m.ended {
		m.mu.Unlock()
		return nil
	}
	var tasks []int32
	for topic, ps := range parts {
		for _, p := range ps {
			if m.held[p] == nil {
				continue
			}
			if delete(m.held[p], topic); len(m.held[p]) == 0 {
				delete(m.held, p)
				tasks = append(tasks, p)
			}
		}
	}
	m.mu.Unlock()
	tell(f, tasks)
	return tasks
}

func (m *Member) lost(parts map[string][]int32) {
	m.losses.Add(1)
	m.mu.Lock()
	m.checked = false
	m.mu.Unlock()
	if tasks := m.gone(parts, m.cfg.Lost); len(tasks) > 0 {
		m.warn("Membership in the consumer group was lost, and with it tasks", "tasks", tasks)
	}
}

func tell(f func([]int32), tasks []int32) {
	if len(tasks) > 0 && f != nil {
		slices.Sort(tasks)
		f(tasks)
	}
}

// Generation says who the member is to the coordinator: its member id, its instance
// id, nil if dynamic, and the generation. Before it has joined, the member id is
// empty and the generation -1.
func (m *Member) Generation() (memberID string, instanceID *string, generation int32) {
	memberID, generation = m.cl.GroupMetadata()
	return memberID, m.instance(), generation
}

func (m *Member) instance() *string {
	if m.cfg.InstanceID == "" {
		return nil
	}
	return &m.cfg.InstanceID
}

// Confirm asks the coordinator whether the process is still a member of the current
// generation: nil if so, ErrNotMember if not, and any other error leaves it open.
//
// Whether a task is still the member's is then known from the callbacks: while a
// member is confirmed, nobody else is given a task before Revoked has returned for
// it. After ErrNotMember, Revoked or Lost follows for each task that is gone.
func (m *Member) Confirm(ctx context.Context) error {
	losses := m.losses.Load()
	for {
		id, instance, generation := m.Generation()
		if id == "" || m.losses.Load() != losses {
			return ErrNotMember
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.InstanceID, req.Generation = m.cfg.Group, id, instance, generation
		resp, err := req.RequestWith(ctx, m.cl)
		if err != nil {
			return fmt.Errorf("group %s: %w", m.cfg.Group, err)
		}
		switch err := kerr.ErrorForCode(resp.ErrorCode); {
		case err == nil, errors.Is(err, kerr.RebalanceInProgress):
			return nil
		case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID):
			return fmt.Errorf("%w: %w", ErrNotMember, err)
		case errors.Is(err, kerr.IllegalGeneration):
			// The coordinator may have begun a generation that the client has not
			// heard of yet. Either it hears now, or its heartbeat tells it that it is
			// out.
			if err := m.pause(ctx, m.heartbeat/10); err != nil {
				return err
			}
		default:
			return fmt.Errorf("group %s: %w", m.cfg.Group, err)
		}
	}
}

// pause waits for a while.
func (m *Member) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.ctx.Done():
		return m.ctx.Err()
	}
}

// Alone says whether this is the only member of the group.
func (m *Member) Alone(ctx context.Context) (bool, error) {
	g, err := m.describe(ctx)
	if err != nil {
		return false, err
	}
	id, _, _ := m.Generation()
	return len(g.Members) == 1 && g.Members[0].MemberID == id, nil
}

func (m *Member) describe(ctx context.Context) (kadm.DescribedGroup, error) {
	groups, err := kadm.NewClient(m.cl).DescribeGroups(ctx, m.cfg.Group)
	if err == nil {
		err = groups.Error()
	}
	if err != nil {
		return kadm.DescribedGroup{}, fmt.Errorf("group %s: %w", m.cfg.Group, err)
	}
	return groups[m.cfg.Group], nil
}

// Leave gives up the membership, a static one too, so that the tasks move at once,
// and closes the member. The caller has finished its tasks before. It must not be
// called from a callback.
func (m *Member) Leave(ctx context.Context) (err error) {
	m.closed.Do(func() { err = m.goodbye(ctx) })
	return err
}

// Close ends the member without a word to the group, so that a process with the same
// instance id is given the same tasks at once. (A dynamic member cannot come back, so
// it leaves.) It waits for a callback that is running, and must not be called from one.
func (m *Member) Close() {
	m.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		if m.cfg.InstanceID != "" {
			_ = m.stop(ctx)
		} else if err := m.goodbye(ctx); err != nil {
			m.warn("The consumer group learns when the session ends that this member has left", "error", err)
		}
	})
}

// stop ends the client. The client waits for the end of a round, as long as that
// takes; it is not allowed longer than ctx. It tells the group of its end if the
// membership is dynamic and it was in time.
func (m *Member) stop(ctx context.Context) error {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	err := m.cl.LeaveGroupContext(ctx)
	m.cancel()
	m.cl.Close()
	m.work.Wait()
	return err
}

func (m *Member) goodbye(ctx context.Context) error {
	err := m.stop(ctx)
	id, instance, _ := m.Generation()
	if instance == nil && (err == nil || id == "") {
		return nil
	}
	// What the client does not say is said for it by another one. By itself, if it were
	// thrown out while it waits for a round, it would join again.
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer cancel()
	}
	member := kmsg.NewLeaveGroupRequestMember()
	// With both, a later process of the same instance id keeps the membership that it has.
	member.InstanceID, member.MemberID = instance, id
	if err := m.leave(ctx, member); err != nil && !errors.Is(err, kerr.UnknownMemberID) && !errors.Is(err, kerr.FencedInstanceID) {
		return fmt.Errorf("leave group %s: %w", m.cfg.Group, err)
	}
	return nil
}

func (m *Member) leave(ctx context.Context, member kmsg.LeaveGroupRequestMember) error {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(m.cfg.Brokers...)}, m.cfg.ClientOpts...)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.Members = m.cfg.Group, []kmsg.LeaveGroupRequestMember{member}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	for _, member := range resp.Members {
		err = errors.Join(err, kerr.ErrorForCode(member.ErrorCode))
	}
	return err
}
