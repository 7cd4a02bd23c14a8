package task

import (
	"encoding/json"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Inspector is an operator that can tell what it remembers.
type Inspector interface {
	// Inspect says in words what is remembered of a key, a line for each thing, none
	// where that is nothing. The task's watermark is w. It is called behind Restore and
	// changes nothing. An error says that this is no key of the operator's.
	Inspect(key string, w event.Time) ([]string, error)
}

// Colocated marks an operator that works only where records of the same key are in the
// same task: so its keys are those of the records, as a rule.
type Colocated interface{ Colocated() }

// Operators are the stages of the chain, each followed by those of the chains within it.
func (c *Chain) Operators() []Stage {
	var all []Stage
	for _, s := range c.stages {
		all = append(all, s)
		if n, ok := s.Op.(interface{ Operators() []Stage }); ok {
			all = append(all, n.Operators()...)
		}
	}
	return all
}

// Words are a value as JSON writes it.
func Words(v event.Value) string {
	text, err := json.Marshal(v.Any())
	if err != nil { // a float that JSON cannot say
		return v.Key()
	}
	return string(text)
}
