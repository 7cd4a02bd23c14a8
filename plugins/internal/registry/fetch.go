package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
)

const (
	// absentTries is how often the registry says that it has no schema of an id before
	// that is taken for true: one of its servers may lag behind the one that registered it.
	absentTries = 3
	absentPause = 300 * time.Millisecond
	// absentFor is how long that stays true: ids are numbers that count up, so one that a
	// record of garbage names may be given to a schema later.
	absentFor = 5 * time.Second
	// mostAbsent bounds what is remembered of such ids.
	mostAbsent = 1 << 14
)

// ErrAbsent says that the registry has no schema of an id.
var ErrAbsent = errors.New("the schema registry does not know it")

// Writer is the schema of an id, as far as it was fetched.
func (r *Registry) Writer(id uint32) (*avro.Type, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.schemas[id]; ok {
		return s.root, s.err
	}
	return nil, ErrAbsent
}

// knows tells whether a schema was asked for, and with what success.
func (r *Registry) knows(id uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.schemas[id]
	return ok || time.Since(r.absent[id]) < absentFor
}

func (r *Registry) learn(id uint32, s schema) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.schemas[id] = s
	delete(r.absent, id)
}

func (r *Registry) lacks(id uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.absent) >= mostAbsent {
		clear(r.absent)
	}
	r.absent[id] = time.Now()
}

// fetch asks for the schemas of ids until each is known, or known to be absent.
func (r *Registry) fetch(ctx context.Context, ids []uint32) error {
	for try := 1; len(ids) > 0; try++ {
		var missing []uint32
		for _, id := range ids {
			switch found, err := r.schema(ctx, id); {
			case err != nil:
				return err
			case !found:
				missing = append(missing, id)
			}
		}
		if ids = missing; try == absentTries {
			break
		}
		if len(ids) > 0 {
			sleep(ctx, absentPause)
		}
	}
	for _, id := range ids {
		r.lacks(id)
	}
	return nil
}

// schema asks for one schema.
func (r *Registry) schema(ctx context.Context, id uint32) (found bool, err error) {
	err = r.until(ctx, func() error {
		s, err := r.client.SchemaByID(ctx, int(id))
		if absent(err) {
			return nil
		}
		if err == nil {
			found = true
			r.learn(id, parse(s))
		}
		return err
	})
	return found, err
}

func parse(s sr.Schema) schema {
	if s.Type != sr.TypeAvro {
		return schema{err: fmt.Errorf("it is a schema of %v, not of Avro", s.Type)}
	}
	if len(s.References) > 0 {
		return schema{err: errors.New("it refers to schemas of other subjects, which are not read")}
	}
	root, err := avro.ParseType(s.Schema)
	if err != nil {
		return schema{err: fmt.Errorf("it is none that can be read: %s", line(err.Error()))}
	}
	return schema{root: root}
}

// Fetcher fetches the schemas that one task needs, beside its work.
type Fetcher struct {
	*Registry
	ctx    context.Context
	cancel context.CancelFunc
	over   sync.WaitGroup

	mu     sync.Mutex
	wanted map[uint32]bool
	busy   bool
	ready  func()
}

// Fetcher makes one. It is closed when the task is over.
func (r *Registry) Fetcher() *Fetcher {
	f := &Fetcher{Registry: r, wanted: map[uint32]bool{}, ready: func() {}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Notify sets what is called, from any goroutine, when more is known.
func (f *Fetcher) Notify(ready func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = ready
}

// Need tells whether the schema of an id was fetched. Where it was not, that begins.
func (f *Fetcher) Need(id uint32) bool {
	if f.knows(id) {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted[id] = true
	if !f.busy && f.ctx.Err() == nil {
		f.busy = true
		f.over.Go(f.work)
	}
	return false
}

// work fetches what is wanted until nothing is.
func (f *Fetcher) work() {
	for {
		f.mu.Lock()
		ids := slices.Collect(maps.Keys(f.wanted))
		clear(f.wanted)
		ready := f.ready
		if len(ids) == 0 {
			f.busy = false
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		if err := f.fetch(f.ctx, ids); err != nil {
			if f.ctx.Err() == nil {
				f.fail(f.told(err)) // the stream is about to end
				<-f.ctx.Done()
			}
			return
		}
		ready()
	}
}

// Close ends what is being fetched.
func (f *Fetcher) Close() error {
	f.cancel()
	f.over.Wait()
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
