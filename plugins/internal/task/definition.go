package task

import (
	"fmt"
	"slices"
)

// Definition is what the stored state of an operator depends on in its config: events
// that were counted by one definition and events that are counted by another must not
// meet in one figure. What state can take on without harm is no part of it.
type Definition []Part

// Part is one field of a config.
type Part struct {
	// Path of the field within the operator's config; what is no field has a name in words.
	Path string
	// Text of its value, in a form that is the same for equal values. A field that is
	// left out and one that was not known when the state was written are the same.
	Text string
	// Takes tells whether the state of another text can be taken on; nil where none can.
	Takes func(old string) bool
}

// Definer is an operator that has state of its own. Its definition is asked for once it is bound.
type Definer interface{ Definition() Definition }

// absent stands for a field that is left out.
const absent = "none"

// changes tells each field in which the definition does not fit the one that state was
// written by, as "path: old → new".
func (d Definition) changes(stored map[string]string) (list []string) {
	known := map[string]bool{}
	for _, p := range d {
		known[p.Path] = true
		old, ok := stored[p.Path]
		switch {
		case !ok:
			old = absent
		case old == p.Text:
			continue
		}
		if p.Takes == nil || !p.Takes(old) {
			list = append(list, fmt.Sprintf("%s: %s → %s", p.Path, old, p.Text))
		}
	}
	for path, old := range stored {
		if !known[path] {
			list = append(list, fmt.Sprintf("%s: %s → %s", path, old, absent))
		}
	}
	slices.Sort(list)
	return list
}

// Defined is an operator with state, as its state knows it.
type Defined struct {
	Label      string
	Definition Definition
	// Reset says that its state starts afresh where it does not fit, rather than that
	// the config is refused.
	Reset bool
}

// Defined are the operators that have state, those in branches among them.
func (c *Chain) Defined() (list []Defined) {
	for _, s := range c.stages {
		if d, ok := s.Op.(Definer); ok {
			list = append(list, Defined{s.Label, d.Definition(), s.Reset})
		}
		if n, ok := s.Op.(interface{ Defined() []Defined }); ok {
			list = append(list, n.Defined()...)
		}
	}
	return list
}
