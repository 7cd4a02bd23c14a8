package pgupsert

import (
	"strings"
	"sync"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// layout tells where rows of one schema have the columns of a plan.
type layout struct {
	places []int // of the fields, by column; -1 where the rows have none
	// nested: a column is an object that fields with dots in their names make up. Its
	// rows are written by way of that object.
	nested bool
}

func (p *plan) lay(s *event.Schema) *layout {
	l := &layout{places: make([]int, len(p.types))}
	for i := range p.types {
		name := p.column(i)
		l.places[i] = -1
		if !strings.Contains(name, ".") { // a field of such a name lies within another
			l.places[i] = s.Index(name)
		}
		for _, field := range s.Fields {
			head, _, dotted := strings.Cut(field, ".")
			l.nested = l.nested || dotted && head == name
		}
	}
	return l
}

// layouts remembers the layouts of the schemas that a plan has met. Batches in flight
// share it.
type layouts struct {
	mu sync.Mutex
	of map[*event.Schema]*layout
}

// maxLayouts bounds layouts: where the names of fields are data, schemas come and go.
const maxLayouts = 256

func (p *plan) layoutOf(s *event.Schema) *layout {
	p.layouts.mu.Lock()
	defer p.layouts.mu.Unlock()
	l := p.layouts.of[s]
	if l == nil {
		if p.layouts.of == nil || len(p.layouts.of) == maxLayouts {
			p.layouts.of = map[*event.Schema]*layout{} // forget rather than grow
		}
		l = p.lay(s)
		p.layouts.of[s] = l
	}
	return l
}
