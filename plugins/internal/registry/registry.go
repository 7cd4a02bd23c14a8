package registry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// Registry is a schema registry as one stream knows it. The components of the stream that
// name the same one share it, and with it the schemas that were fetched. It is safe for
// use by several goroutines.
type Registry struct {
	client  *sr.Client
	address string
	log     *service.Logger
	fail    func(error)

	mu      sync.Mutex
	schemas map[uint32]schema    // those that the registry has; an id stands for the same one for ever
	absent  map[uint32]time.Time // those that it had not, and when it said so
	trouble host.Outage
	silent  bool // a line about trouble was logged, and none about its end
}

// schema is one that the registry has, or why it is of no use.
type schema struct {
	root *avro.Type
	err  error
}

type key struct{ stream, block string }

// Of is the registry of the stream that res belongs to. It opens nothing.
func Of(res *service.Resources, c Config) (*Registry, error) {
	r, err := newRegistry(c, res.Logger(), host.HubOf(res).Fail)
	if err != nil {
		return nil, err
	}
	shared, _ := res.GetOrSetGeneric(key{res.StreamID(), c.all}, r)
	return shared.(*Registry), nil
}

func newRegistry(c Config, log *service.Logger, fail func(error)) (*Registry, error) {
	client, err := c.client()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fieldRegistry, err)
	}
	return &Registry{
		client: client, address: c.address(), log: log, fail: fail,
		schemas: map[uint32]schema{}, absent: map[uint32]time.Time{},
	}, nil
}

// until calls attempt again and again, with pauses that grow, until it succeeds, its error
// is one that no retry can mend, or ctx ends. While the registry does not answer it logs a
// line in host.LogEvery, whoever waits.
func (r *Registry) until(ctx context.Context, attempt func() error) error {
	var pauses host.Outage
	for {
		err := attempt()
		switch {
		case err == nil:
			r.answered()
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case host.Refused(err):
			return err
		}
		if refused := refusal(err); refused != nil {
			return refused
		}
		r.report(err)
		pauses.Pause(ctx)
	}
}

func (r *Registry) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trouble.News() {
		r.silent = true
		r.log.With("registry", r.address, "error", line(err.Error())).Warn("The schema registry gives no answer that helps, and is asked again: what needs it waits, nothing is lost")
	}
}

func (r *Registry) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent {
		r.silent, r.trouble = false, host.Outage{}
		r.log.With("registry", r.address).Info("The schema registry answers again")
	}
}

// told wraps an error of the registry.
func (r *Registry) told(err error) error {
	return fmt.Errorf("schema registry at %s: %w", r.address, err)
}
