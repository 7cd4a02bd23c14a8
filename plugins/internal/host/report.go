package host

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/figures"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

const (
	// reportEvery is the least time between two reports of a task.
	reportEvery = time.Second
	// reportAgain is how long a report that nobody has stored waits to be tried again.
	reportAgain = 5 * time.Second
	// reportTime is the most that storing one may take.
	reportTime = 5 * time.Second
	// lastReportTime is how long a run that has ended well waits for its last report.
	lastReportTime = time.Second
)

// reports tells the figures of a run, behind its back: the task goes on while they are
// stored, and whatever becomes of them. Only the newest count.
type reports struct {
	hub  *Hub
	run  TaskRun
	disk func() int64

	wake    chan struct{}
	closing chan struct{}
	cancel  context.CancelFunc
	done    chan struct{}

	mu     sync.Mutex
	latest *figures.Task // that nobody has stored; nil for none
}

func startReports(ctx context.Context, hub *Hub, run TaskRun, disk func() int64) *reports {
	ctx, cancel := context.WithCancel(ctx)
	p := &reports{
		hub: hub, run: run, disk: disk,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), cancel: cancel, done: make(chan struct{}),
	}
	go p.loop(ctx)
	return p
}

// tell hands over the figures of a commit. It does not wait.
func (p *reports) tell(f *figures.Task) {
	p.mu.Lock()
	p.latest = f
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // it will look
	}
}

// end waits, not for long, until what was told is stored; with drop it does not.
func (p *reports) end(drop bool) {
	close(p.closing)
	if !drop {
		timer := time.NewTimer(lastReportTime)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
		}
	}
	p.cancel()
	<-p.done
}

func (p *reports) loop(ctx context.Context) {
	defer close(p.done)
	for {
		select {
		case <-p.wake:
		case <-p.closing:
		case <-ctx.Done():
		}
		last := Closed(p.closing) // before it is looked what there is
		pause := reportEvery
		if !p.store(ctx) {
			pause = reportAgain
		}
		if last || ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.closing:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// store stores what was told last, if it was not yet.
func (p *reports) store(ctx context.Context) (stored bool) {
	p.mu.Lock()
	f := p.latest
	p.mu.Unlock()
	if f == nil || ctx.Err() != nil {
		return true
	}
	f.Disk = max(p.disk(), 0)
	text, err := json.Marshal(f)
	if err == nil { // numbers, times and names: there is always a text
		ctx, cancel := context.WithTimeout(ctx, reportTime)
		defer cancel()
		stored = p.hub.Report(ctx, p.run, text)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.latest != f: // something newer has come meanwhile, and its signal
	case stored:
		p.latest = nil
	default:
		select {
		case p.wake <- struct{}{}: // again, after the pause
		default:
		}
	}
	return stored
}

// report tells how the task stands at a commit, just done.
func (r *Runner) report() {
	if r.reports == nil {
		return
	}
	r.stand(time.Now())
	g := r.gauge.task.Stood()
	f := &figures.Task{Commit: r.gauge.commit, Account: figuresOf(r.task.Accounts())}
	for _, s := range g.Sources {
		if s.Holder {
			f.Holder = &figures.Partition{Topic: s.Topic, Partition: s.Partition}
		}
		source := figures.Source{Topic: s.Topic, Partition: s.Partition, Next: s.Next}
		if at := s.Seen.UTC(); s.Seen != event.MinTime && at.Year() >= 1 && at.Year() <= 9999 { // others JSON does not know
			source.Seen = &at
		}
		if s.HasEnd {
			source.End = new(s.End.Offset)
		}
		f.Sources = append(f.Sources, source)
	}
	for _, u := range g.Tables {
		f.Operators = append(f.Operators, figures.Operator{Operator: u.Operator, Keys: u.Keys, Memory: u.Memory})
	}
	r.reports.tell(f)
}

func figuresOf(account []task.Line) []figures.Line {
	lines := make([]figures.Line, len(account))
	for i, l := range account {
		n := &l.Counts
		lines[i] = figures.Line{
			Operator: l.Operator, Topic: l.Topic, In: n[task.In], Passed: n[task.Passed], Held: n[task.Held],
			Duplicate: n[task.Duplicate], Late: n[task.Late], Orphan: n[task.Orphan], Invalid: n[task.Invalid], Future: n[task.Future],
		}
	}
	return lines
}

// figures are the commit's, where it was one.
func (w *watch) figures(at time.Time) *figures.Commit {
	c := &figures.Commit{At: at.UTC(), Phases: make(map[string]float64, len(meter.Phases()))}
	for i, p := range w.phases {
		c.Phases[string(p)] = w.took[i].Seconds()
		c.Seconds += w.took[i].Seconds()
	}
	return c
}
