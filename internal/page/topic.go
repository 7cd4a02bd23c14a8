package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

const (
	// readEvery is the time between two reads while somebody looks, and how old an answer
	// may be that is given to another.
	readEvery = time.Second
	// lastPause bounds the growing pauses between reads that fail.
	lastPause = 5 * time.Second
	// slowRead is after how long those who look are told that there is no answer.
	slowRead = 5 * time.Second
	// logEvery is the time between two lines about the same trouble.
	logEvery = 30 * time.Second
	// maxTopics bounds the distinct queries that are kept, and so memory.
	maxTopics = 64
)

var errBusy = errors.New("too many different queries at once; try again")

// source is a view with the queries that are asked of it.
type source struct {
	name string
	read Source
	ctx  context.Context
	say  func(string)

	mu     sync.Mutex
	topics map[string]*topic

	failing  bool      // the newest read failed
	reported time.Time // the last line about that
}

func newSource(ctx context.Context, name string, read Source, say func(string)) *source {
	return &source{ctx: ctx, name: name, read: read, say: say, topics: map[string]*topic{}}
}

// topic is one distinct query. While somebody listens, one goroutine reads it for all.
type topic struct {
	source *source
	query  url.Values
	users  int // requests at work, guarded by source.mu

	reading chan struct{} // holds a token while nobody reads

	mu        sync.Mutex
	newest    frame     // the last snapshot or trouble
	readAt    time.Time // when newest, a snapshot, was begun to be read
	listeners map[*listener]struct{}
	stop      context.CancelFunc // of the goroutine that reads, nil without one
}

// frame is one event: a snapshot, or trouble.
type frame struct {
	trouble bool
	data    []byte // JSON on one line
	version string // of a snapshot: the same for the same content
}

// listener is who follows a topic. Whoever is slow misses frames between, and never makes
// another wait.
type listener struct{ wake chan struct{} }

// acquire finds the topic of a query; release gives it back.
func (s *source) acquire(query url.Values) (*topic, error) {
	var canonical url.Values
	if c, ok := s.read.(Canonical); ok {
		var err error
		if canonical, err = c.Canonical(query); err != nil {
			return nil, err
		}
	}
	key := canonical.Encode()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[key]
	if t == nil {
		if len(s.topics) >= maxTopics && !s.forget() {
			return nil, errBusy
		}
		t = &topic{source: s, query: canonical, reading: make(chan struct{}, 1), listeners: map[*listener]struct{}{}}
		t.reading <- struct{}{}
		s.topics[key] = t
	}
	t.users++
	return t, nil
}

func (s *source) release(t *topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.users--
}

// forget drops the topics that nobody uses, and tells whether there were any.
func (s *source) forget() bool {
	before := len(s.topics)
	for key, t := range s.topics {
		if t.users == 0 {
			delete(s.topics, key)
		}
	}
	return len(s.topics) < before
}

// get returns a snapshot that is at most maxAge old; it reads one where there is none.
func (t *topic) get(ctx context.Context, maxAge time.Duration) (frame, error) {
	select {
	case <-t.reading:
		defer func() { t.reading <- struct{}{} }()
	case <-ctx.Done():
		return frame{}, ctx.Err()
	}
	t.mu.Lock()
	newest, at := t.newest, t.readAt
	t.mu.Unlock()
	if !newest.trouble && newest.data != nil && time.Since(at) < maxAge {
		return newest, nil
	}
	begun := time.Now()
	f, err := t.snapshot(ctx)
	if ctx.Err() != nil {
		return frame{}, ctx.Err() // nobody waits for it: that is no trouble
	}
	t.source.report(err)
	if err != nil {
		return frame{}, err
	}
	t.publish(f, begun)
	return f, nil
}

func (t *topic) snapshot(ctx context.Context) (frame, error) {
	value, err := t.source.read.Snapshot(ctx, t.query)
	if err != nil {
		return frame{}, err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return frame{}, fmt.Errorf("snapshot as JSON: %w", err)
	}
	return frame{data: data, version: version(data)}, nil
}

// version is the same for snapshots that differ in as_of only.
func version(data []byte) string {
	const begin = `{"as_of":"`
	if rest, ok := bytes.CutPrefix(data, []byte(begin)); ok {
		if end := bytes.IndexByte(rest, '"'); end >= 0 {
			data = rest[end:]
		}
	}
	return strconv.FormatUint(xxhash.Sum64(data), 16)
}

// publish makes a frame the newest, and tells the listeners where it says anything new.
func (t *topic) publish(f frame, begun time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	same := f.trouble == t.newest.trouble && f.version == t.newest.version && t.newest.data != nil
	if same && f.trouble {
		same = bytes.Equal(f.data, t.newest.data)
	}
	t.readAt = begun
	if same {
		return
	}
	t.newest = f
	for l := range t.listeners {
		select {
		case l.wake <- struct{}{}:
		default: // has not looked since the last time, and will see this one
		}
	}
}

// listen begins to follow; the goroutine that reads is started for the first one.
func (t *topic) listen() *listener {
	l := &listener{wake: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listeners[l] = struct{}{}
	if t.stop == nil {
		ctx, stop := context.WithCancel(t.source.ctx)
		t.stop = stop
		t.newest = frame{} // of whoever looked before
		go t.poll(ctx)
	} else if t.newest.data != nil {
		l.wake <- struct{}{}
	}
	return l
}

// leave ends that. After the last one nothing is read any more.
func (t *topic) leave(l *listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.listeners, l)
	if len(t.listeners) == 0 && t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

func (t *topic) current() frame {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest
}

// poll reads for as long as somebody listens.
func (t *topic) poll(ctx context.Context) {
	pause := readEvery
	for {
		begun := time.Now()
		slow := time.AfterFunc(slowRead, func() {
			if ctx.Err() == nil {
				t.publish(troubleFrame(fmt.Errorf("no answer for %v", slowRead)), begun)
			}
		})
		_, err := t.get(ctx, readEvery/2)
		slow.Stop()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.publish(troubleFrame(err), begun)
			pause = min(2*pause, lastPause)
		} else {
			pause = readEvery
		}
		timer := time.NewTimer(max(pause-time.Since(begun), readEvery/10))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func troubleFrame(err error) frame {
	data, _ := json.Marshal(map[string]string{"message": err.Error()}) // strings always can be
	return frame{trouble: true, data: data}
}

// report logs that reading fails, now and then while it does, and that it is over.
func (s *source) report(err error) {
	if errors.Is(err, ErrQuery) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && s.failing:
		s.failing, s.reported = false, time.Time{}
		s.say(s.name + " can be read again")
	case err == nil:
	case !s.failing || time.Since(s.reported) >= logEvery:
		s.failing, s.reported = true, time.Now()
		s.say(fmt.Sprintf("%s cannot be read: %v; trying again", s.name, err))
	}
}
