package statefulkafka

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

// simProcess is a process with an input and an output. It drives them as Benthos'
// reader does: connect until it works, read, write with several batches in flight,
// tell the input what became of each.
type simProcess struct {
	world    *simWorld
	name     string
	life     simLife
	instance string
	disk     *vfs.MemFS
	link     *simLink
	in       *input
	out      *simOutput
	log      *simLog

	attached chan struct{} // closed when the output has connected

	mu      sync.Mutex
	counts  map[simStep]int
	dead    chan struct{} // closed by kill
	killed  bool
	paused  chan struct{} // closed by pause
	held    bool
	remains *vfs.MemFS // of the disk, once killed
	over    chan struct{}
	stop    context.CancelFunc
	hasty   bool
}

// simLog is what a process logs, with the time since the world began.
type simLog struct {
	mu    sync.Mutex
	begun time.Time
	text  bytes.Buffer
}

func (l *simLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *simLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// simSpec is the spec of the input, which takes a while to make.
var simSpec = sync.OnceValue(spec)

// launch starts a process.
func (w *simWorld) launch(name, instance string, life simLife, disk *vfs.MemFS, bounded bool) *simProcess {
	p := &simProcess{
		world: w, name: name, life: life, instance: instance, disk: disk, link: newSimLink(&w.net),
		counts: map[simStep]int{}, dead: make(chan struct{}), paused: make(chan struct{}), over: make(chan struct{}), attached: make(chan struct{}), log: &simLog{begun: w.begun},
	}
	p.link.leaves, p.link.arrives, p.link.faults = p.leaves, p.arrives, life.wire
	p.link.latency = life.latency
	p.out = &simOutput{plan: life.out, process: p, database: w.database, begun: map[int32]int64{}}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	conf, err := simSpec().ParseYAML(w.config(bounded), nil)
	if err == nil {
		p.in, err = newInput(conf, conf.Resources())
	}
	if err != nil {
		w.complain("%s: %v", name, err)
		stop()
		close(p.over)
		return p
	}
	if p.in.cfg.instance = instance; !w.plan.noDisk {
		p.in.cfg.fs = disk
	}
	p.in.cfg.client = []kgo.Opt{kgo.Dialer(p.link.dial), kgo.ClientID(name), kgo.DisableClientMetrics()}
	if w.plan.tiny {
		p.in.cfg.client = append(p.in.cfg.client, kgo.FetchMaxPartitionBytes(300), kgo.MaxConcurrentFetches(1))
	}
	p.in.log = service.NewLoggerFromSlog(slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			a.Value = slog.DurationValue(a.Value.Time().Sub(w.begun))
		}
		return a
	}})))
	go p.run(ctx)
	go p.trouble()
	return p
}

// leaves counts what the process does. It is false where that does not leave any more.
func (p *simProcess) leaves(step simStep) (n int, alive bool) {
	p.mu.Lock()
	p.counts[step]++
	n = p.counts[step]
	p.mu.Unlock()
	return n, p.strike(step, n, false)
}

// arrives is false where the process does not see the answer any more.
func (p *simProcess) arrives(step simStep, n int) (alive bool) { return p.strike(step, n, true) }

func (p *simProcess) strike(step simStep, n int, after bool) (alive bool) {
	if d := p.life.death; d.step == step && d.n == n && d.after == after {
		if d.pause > 0 {
			p.pause(d.pause, deathAt("paused", step, after))
		} else if p.kill() {
			p.world.counts.add(deathAt("killed", step, after), 1)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.killed
}

// pause holds the process up, here at what it is about to do, and ends it a moment
// after it has woken up. Its successor does not wait for that.
func (p *simProcess) pause(d time.Duration, what string) {
	p.mu.Lock()
	again := p.held
	p.held = true
	p.mu.Unlock()
	if again {
		return
	}
	p.world.counts.add(what, 1)
	wait := p.link.freeze()
	close(p.paused)
	go func() {
		go wait(d)
		simPause(d+time.Second, p.world.calm) // with the storm over, it would only disturb
		p.kill()
	}()
}

// kill ends the process as kill -9 does, at once: nothing leaves it any more, and the
// disk is what it is.
func (p *simProcess) kill() bool {
	p.mu.Lock()
	if p.killed {
		p.mu.Unlock()
		return false
	}
	p.killed = true
	p.mu.Unlock()
	p.link.kill()
	p.world.reapers.Go(func() { p.world.expire(p) })
	p.remains = p.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.life.unsynced, RNG: rand.New(rand.NewPCG(p.world.plan.seed, 1))})
	close(p.dead)
	p.stop()
	return true
}

// trouble lets the outages come.
func (p *simProcess) trouble() {
	begun := time.Now()
	for _, o := range p.life.outages {
		if !simPause(o.at-time.Since(begun), p.over) {
			return
		}
		if o.stalled {
			p.world.counts.add("stalled", 1)
			p.link.stall(o.length)
			continue
		}
		p.world.counts.add("cut off", 1)
		p.link.sever()
		simPause(o.length, p.over)
		p.link.mend()
	}
}

// end stops the process in peace. Hasty does not wait for the outputs.
func (p *simProcess) end(hasty bool) {
	p.mu.Lock()
	p.hasty = hasty
	p.mu.Unlock()
	p.stop()
}

// simPatience is how long a process may take to come to its end.
const simPatience = 2 * time.Minute

// run is the life of the process.
func (p *simProcess) run(ctx context.Context) {
	defer close(p.over)
	writing, abandon := context.WithCancel(context.Background())
	defer abandon()
	var work sync.WaitGroup
	work.Go(func() { p.attach(writing, ctx) })
	if p.connect(ctx) {
		p.read(ctx, writing, &work)
	}
	p.mu.Lock()
	hasty := p.hasty
	p.mu.Unlock()
	if hasty || !simWaitFor(&work, p.dead) {
		abandon()
		work.Wait()
	}
	select {
	case <-p.dead:
		p.bury()
	default:
	}
	began := time.Now()
	if err := p.in.Close(context.Background()); err != nil && !p.isDead() {
		p.world.complain("%s: close: %v", p.name, err)
	}
	if took := time.Since(began); took > simPatience {
		p.world.complain("%s: close took %v", p.name, took)
	}
	p.in.hub.Detach(p.out)
	if err := p.in.hub.Err(); err != nil && !p.isDead() {
		p.world.complain("%s stopped for good: %v", p.name, err)
	}
	p.link.kill()
	if !p.isDead() {
		p.world.reapers.Go(func() { p.world.expire(p) })
	}
}

// bury drops what a killed process still holds: its tasks stop where they are.
func (p *simProcess) bury() {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	ts := p.in.tasks
	if i := p.in.instance.Load(); i != nil {
		_ = i.Release() // as the operating system does
	}
	if ts == nil {
		return
	}
	ts.mu.Lock()
	ts.closing = true
	for _, l := range ts.lives {
		l.cancel()
	}
	ts.mu.Unlock()
}

// left is the disk as the process left it, or as it is.
func (p *simProcess) left() *vfs.MemFS {
	select {
	case <-p.dead:
		return p.remains
	default:
		return p.disk
	}
}

func (p *simProcess) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

// attach connects the output, and maybe connects it anew later.
func (p *simProcess) attach(ctx, until context.Context) {
	connect := func(after time.Duration) bool {
		if !simPause(after, until.Done()) {
			return false
		}
		for p.in.hub.Attach(ctx, p.out) != nil {
			if !simPause(100*time.Millisecond, until.Done()) {
				return false
			}
		}
		return true
	}
	if connect(p.out.plan.attach) {
		close(p.attached)
		if p.out.plan.reattach > 0 {
			connect(p.out.plan.reattach)
		}
	}
}

// connect is true when the input has connected.
func (p *simProcess) connect(ctx context.Context) bool {
	for {
		switch err := p.in.Connect(ctx); {
		case err == nil:
			return true
		case errors.Is(err, service.ErrEndOfInput), ctx.Err() != nil:
			return false
		}
		if !simPause(time.Second, ctx.Done()) {
			return false
		}
	}
}

// read reads batches and hands them to the output, until the input or ctx ends.
func (p *simProcess) read(ctx, writing context.Context, work *sync.WaitGroup) {
	select {
	case <-p.attached: // an output takes nothing before it has connected
	case <-ctx.Done():
		return
	}
	places := make(chan struct{}, max(p.out.plan.inFlight, 1))
	for {
		batch, ack, err := p.in.ReadBatch(ctx)
		if err != nil {
			return
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return // Benthos drops a batch that it has read and cannot hand on
		}
		work.Go(func() {
			p.out.write(writing, batch, func(err error) { _ = ack(writing, err) })
			<-places
		})
	}
}

// simWaitFor waits for work; false if until closes before.
func simWaitFor(work *sync.WaitGroup, until <-chan struct{}) bool {
	done := make(chan struct{})
	go func() {
		work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-until:
		return false
	}
}
