package statefulkafka

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// simLink is the way of one process to Kafka. It knows where requests and answers
// begin and end, so it can lose or delay just one of them, and tell of each before it
// leaves and when it was answered.
type simLink struct {
	net     *kfake.VirtualNetwork
	leaves  func(simStep) (n int, deliver bool) // a request leaves, the n-th of its kind
	arrives func(simStep, int) (deliver bool)   // its answer arrives
	faults  []simWireFault
	latency time.Duration // at most, for each request and each answer

	mu    sync.Mutex
	cut   bool // refuses connections
	dead  chan struct{}
	thaw  chan struct{} // closed when a stall is over; nil while there is none
	conns map[*simConn]struct{}
}

func newSimLink(n *kfake.VirtualNetwork) *simLink {
	return &simLink{net: n, dead: make(chan struct{}), conns: map[*simConn]struct{}{}}
}

// simConn is a connection between a client and a broker.
type simConn struct {
	near, far net.Conn
	asked     chan simAsked // in their order, which is that of the answers
}

type simAsked struct {
	step  simStep
	n     int
	fault *simWireFault
}

var errSimCut = errors.New("the network is cut")

func (l *simLink) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !l.pass() {
		return nil, errSimCut
	}
	far, err := l.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	given, near := net.Pipe()
	c := &simConn{near, far, make(chan simAsked, 64)}
	l.mu.Lock()
	l.conns[c] = struct{}{}
	cut := l.cut
	l.mu.Unlock()
	if cut {
		l.close(c)
	}
	go l.up(c)
	go l.down(c)
	return given, nil
}

func (l *simLink) close(c *simConn) {
	_ = c.near.Close()
	_ = c.far.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// up carries requests. One that waits in a stall arrives when the stall is over,
// even if the client has given up meanwhile: so zombies speak.
func (l *simLink) up(c *simConn) {
	defer l.close(c)
	defer close(c.asked)
	for {
		frame, err := readFrame(c.near)
		if err != nil {
			return
		}
		a := simAsked{step: simKeys[kmsg.Key(binary.BigEndian.Uint16(frame[4:]))]}
		if a.step != "" {
			var deliver bool
			if a.n, deliver = l.leaves(a.step); !deliver {
				return
			}
			a.fault = l.fault(a)
			l.travel(a, 1)
		}
		if !l.pass() || a.fault != nil && a.fault.what == simLoseRequest {
			return
		}
		c.asked <- a
		if _, err := c.far.Write(frame); err != nil {
			return
		}
	}
}

// down carries answers.
func (l *simLink) down(c *simConn) {
	defer l.close(c)
	for {
		frame, err := readFrame(c.far)
		if err != nil {
			return
		}
		a := <-c.asked
		if a.step != "" && !l.arrives(a.step, a.n) {
			return
		}
		if f := a.fault; f != nil {
			if f.what == simLoseAnswer || f.what == simSlowAnswer && !simPause(f.delay, l.dead) {
				return
			}
		}
		l.travel(a, 2)
		if !l.pass() {
			return
		}
		if _, err := c.near.Write(frame); err != nil {
			return
		}
	}
}

func (l *simLink) fault(a simAsked) *simWireFault {
	for i := range l.faults {
		if f := &l.faults[i]; f.step == a.step && f.n == a.n {
			return f
		}
	}
	return nil
}

// travel takes the time that a request, leg 1, or its answer, leg 2, is on its way.
func (l *simLink) travel(a simAsked, leg int) {
	if l.latency > 0 && a.step != "" {
		part := (a.n*7919 + len(a.step)*104729 + leg*15485863) % 101
		simPause(l.latency*time.Duration(part)/100, l.dead)
	}
}

func readFrame(from io.Reader) ([]byte, error) {
	frame := make([]byte, 4, 512)
	if _, err := io.ReadFull(from, frame); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(frame))
	frame = append(frame, make([]byte, n)...)
	_, err := io.ReadFull(from, frame[4:])
	return frame, err
}

// pass waits until a stall is over. It is false where nothing gets through.
func (l *simLink) pass() bool { return l.passFor(context.Background()) }

func (l *simLink) passFor(ctx context.Context) bool {
	for {
		l.mu.Lock()
		cut, thaw := l.cut, l.thaw
		l.mu.Unlock()
		switch {
		case cut:
			return false
		case thaw == nil:
			return true
		}
		select {
		case <-thaw:
		case <-l.dead:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// sever cuts all connections, and lets no new ones be made until mend.
func (l *simLink) sever() {
	l.mu.Lock()
	l.cut = true
	var conns []*simConn
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		l.close(c)
	}
}

func (l *simLink) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.dead:
	default:
		l.cut = false
	}
}

// kill severs the link for ever.
func (l *simLink) kill() {
	l.mu.Lock()
	select {
	case <-l.dead:
	default:
		close(l.dead)
	}
	l.mu.Unlock()
	l.sever()
}

// stall holds everything up for a while.
func (l *simLink) stall(d time.Duration) { l.freeze()(d) }

// freeze holds everything up from now on, for as long as the function waits that it
// returns.
func (l *simLink) freeze() (wait func(time.Duration)) {
	thaw := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.thaw != nil {
		return func(time.Duration) {} // it is held up already
	}
	l.thaw = thaw
	return func(d time.Duration) {
		simPause(d, l.dead)
		l.mu.Lock()
		l.thaw = nil
		l.mu.Unlock()
		close(thaw)
	}
}
