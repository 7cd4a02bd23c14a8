package task

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// Fit is how the stored state of a task fits the operators of a config.
type Fit struct {
	// Reset are the labels whose state starts afresh, Dropped those whose operators are
	// gone and whose state goes with them.
	Reset, Dropped []string

	defined []fitted
}

// fitted is an operator with the definition that its state was written by.
type fitted struct {
	Defined
	table  *state.Table[string, string]
	stored map[string]string
}

// FitTo holds the state in a store, of which nothing has been opened yet, against the
// operators. State that was written before definitions were is taken to fit. State of
// an operator that is gone has to be among those that may be dropped: where it was
// only given another label, dropping it would lose what it knows. The error says in one
// line what does not fit and what can be done.
func FitTo(local *state.Local, defined []Defined, drop []string) (*Fit, error) {
	labels, err := local.Labels()
	if err != nil {
		return nil, err
	}
	f := &Fit{}
	var misfits []string
	for _, d := range defined {
		labels = slices.DeleteFunc(labels, func(l string) bool { return l == d.Label })
		t, stored, err := openDefinition(local, d.Label)
		if err != nil {
			return nil, err
		}
		f.defined = append(f.defined, fitted{d, t, stored})
		changes := d.Definition.changes(stored)
		switch {
		case len(stored) == 0 || len(changes) == 0:
		case d.Reset:
			f.Reset = append(f.Reset, d.Label)
		default:
			misfits = append(misfits, fmt.Sprintf("operator %q has state of another definition (%s): set its on_change: reset to start its state afresh, let `tidemark replay` compute state and rows anew, or give it a new label and name %q in drop_state",
				d.Label, strings.Join(changes, ", "), d.Label))
		}
	}
	for _, l := range labels {
		if !slices.Contains(drop, l) {
			misfits = append(misfits, fmt.Sprintf("operator %q is gone from the config, but has state: give the operator that it has become its old label, or name %q in drop_state to drop its state", l, l))
			continue
		}
		f.Dropped = append(f.Dropped, l)
	}
	if len(misfits) > 0 {
		return nil, &Misfit{strings.Join(misfits, "; ")}
	}
	return f, nil
}

// Misfit says that state does not fit the config.
type Misfit struct{ text string }

func (m *Misfit) Error() string { return m.text }

func openDefinition(local *state.Local, label string) (*state.Table[string, string], map[string]string, error) {
	t := state.NewTable(local.Operator(label), "definition", definitionCodec{})
	stored := map[string]string{}
	err := t.Open(func(e *state.Entry[string, string]) bool {
		stored[e.Key] = e.Value
		return true
	})
	return t, stored, err
}

// Apply empties what starts afresh and what goes, and notes the definitions. Nothing of
// it lasts but with the next commit. It comes before the operators' tables are opened.
func (f *Fit) Apply(local *state.Local) error {
	for _, label := range slices.Concat(f.Reset, f.Dropped) {
		if err := local.Drop(label); err != nil {
			return err
		}
	}
	for _, d := range f.defined {
		fresh := slices.Contains(f.Reset, d.Label) // nothing of it is stored any more
		for _, p := range d.Definition {
			if old, ok := d.stored[p.Path]; fresh || !ok || old != p.Text {
				d.table.Put(p.Path, p.Text)
			}
			delete(d.stored, p.Path)
		}
		for path := range d.stored {
			d.table.Delete(path)
		}
	}
	return nil
}

// Forget leaves out of a checkpoint's accounts what is told of operators that start
// afresh or are gone.
func (f *Fit) Forget(lines []Line) []Line {
	return slices.DeleteFunc(slices.Clone(lines), func(l Line) bool {
		return slices.Contains(f.Reset, l.Operator) || slices.Contains(f.Dropped, l.Operator)
	})
}

// definitionCodec is the stored form of definitions: the path of a field, and the text of its value.
type definitionCodec struct{ state.TextKey }

func (definitionCodec) AppendValue(b []byte, text string) []byte { return append(b, text...) }

func (definitionCodec) Value(_ string, b []byte) (string, error) { return string(b), nil }
