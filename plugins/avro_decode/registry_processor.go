package avrodecode

import (
	"errors"
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/registry"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// registered decodes records whose schemas were fetched from a registry before they were
// merged: see task.Preparer. So the operator itself never waits.
type registered struct {
	*AvroDecode
	fetcher *registry.Fetcher
	last    uint32 // an id whose schema is there: most records bear that of the one before
	any     bool
}

func newRegistered(conf *service.ParsedConfig, c Config, where registry.Config) (task.Operator, error) {
	for _, t := range c.Topics {
		if t.Framing.IsRaw() {
			return nil, fmt.Errorf("%s: raw records bear no schema id, so a schema registry cannot help", fieldFraming)
		}
	}
	reg, err := registry.Of(conf.Resources(), where)
	if err != nil {
		return nil, err
	}
	c.Writers = reg
	a, err := New(c)
	if err != nil {
		return nil, err
	}
	return &registered{AvroDecode: a, fetcher: reg.Fetcher()}, nil
}

// Prepare sees to the schema of a record.
func (r *registered) Prepare(value []byte) bool {
	id, _, ok := avro.ConfluentID(value)
	if !ok || r.any && id == r.last {
		return true
	}
	if !r.fetcher.Need(id) {
		return false
	}
	if _, err := r.fetcher.Writer(id); !errors.Is(err, registry.ErrAbsent) {
		r.last, r.any = id, true // one that is absent may be there later
	}
	return true
}

// Notify is told when schemas have come.
func (r *registered) Notify(ready func()) { r.fetcher.Notify(ready) }

// Close ends what is being fetched.
func (r *registered) Close() error { return r.fetcher.Close() }
