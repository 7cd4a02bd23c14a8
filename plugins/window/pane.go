package window

import (
	"cmp"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

type entry = state.Entry[paneKey, pane]

// paneKey names a pane: one group of one window.
type paneKey struct {
	start event.Time
	group string
}

// pane is what has been counted of a group in a window.
type pane struct {
	group []event.Value // shared by the panes of the group
	acc   []accumulator
	dirty bool // changed since it was emitted
	fresh bool // never emitted, as far as is known
}

// openWindow has the panes of a window that is open; one that is not has none.
type openWindow struct {
	start   event.Time
	panes   []*entry
	byGroup map[string]*entry // nil while they are few
	one     [1]*entry         // the first place of panes
}

// openWindows are those that are open. They lie in blocks of windows that follow each
// other, as there are many while events are joined with others of days before, and few
// blocks stay near.
type openWindows struct {
	slide  event.Duration
	blocks map[int64]*openBlock
}

const blockWindows = 64

type openBlock struct {
	windows [blockWindows]openWindow
	open    int
}

func (w *openWindows) place(start event.Time) (block, at int64) {
	n := state.FloorDiv(int64(start), int64(w.slide))
	block = state.FloorDiv(n, blockWindows)
	return block, n - block*blockWindows
}

// find is the window that begins at start, nil where it is not open.
func (w *openWindows) find(start event.Time) *openWindow {
	n, at := w.place(start)
	if b := w.blocks[n]; b != nil && len(b.windows[at].panes) > 0 {
		return &b.windows[at]
	}
	return nil
}

// add opens a window, whose first pane follows at once.
func (w *openWindows) add(start event.Time) *openWindow {
	n, at := w.place(start)
	b := w.blocks[n]
	if b == nil {
		b = &openBlock{}
		w.blocks[n] = b
	}
	b.open++
	o := &b.windows[at]
	o.start, o.panes = start, o.one[:0]
	return o
}

// remove closes a window that is open.
func (w *openWindows) remove(start event.Time) {
	n, at := w.place(start)
	b := w.blocks[n]
	b.windows[at] = openWindow{}
	if b.open--; b.open == 0 {
		delete(w.blocks, n)
	}
}

// groupOf is a group as panes keep it, whichever window they are of.
type groupOf struct {
	key    string
	values []event.Value
}

// maxGroups bounds how many groups are remembered while no pane has them.
const maxGroups = 4096

// fewPanes are looked through one by one.
const fewPanes = 8

func (o *openWindow) find(group string) *entry {
	if o.byGroup != nil {
		return o.byGroup[group]
	}
	for _, e := range o.panes {
		if e.Key.group == group {
			return e
		}
	}
	return nil
}

func (o *openWindow) add(e *entry) {
	o.panes = append(o.panes, e)
	switch {
	case o.byGroup != nil:
		o.byGroup[e.Key.group] = e
	case len(o.panes) > fewPanes:
		o.byGroup = map[string]*entry{}
		for _, e := range o.panes {
			o.byGroup[e.Key.group] = e
		}
	}
}

// newPane opens a pane for the group of r.
func (w *Window) newPane(start event.Time, group string, r *event.Row) *entry {
	g := w.groups[group]
	if g == nil {
		g = w.newGroup(group, r)
	}
	n := len(w.aggs)
	if len(w.spare) < n {
		w.spare = make([]accumulator, spareAccumulators*n)
	}
	p := pane{group: g.values, acc: w.spare[:n:n], fresh: true}
	w.spare = w.spare[n:]
	e := w.panes.Add(paneKey{start, g.key}, p)
	w.openPane(e)
	return e
}

const spareAccumulators = 64

// newGroup clones what panes keep of a group: the row's texts are borrowed.
func (w *Window) newGroup(key string, r *event.Row) *groupOf {
	if len(w.groups) == maxGroups {
		clear(w.groups)
	}
	g := &groupOf{key: strings.Clone(key)}
	for _, f := range w.group {
		g.values = append(g.values, f.Get(r).Clone())
	}
	w.groups[g.key] = g
	return g
}

// openPane files a pane under its window, and sets the window's timer with the first.
func (w *Window) openPane(e *entry) {
	start := e.Key.start
	o := w.open.find(start)
	if o == nil {
		o = w.open.add(start)
		// The bound is exclusive: at watermark = closesAt the window is closed.
		w.timers.Set(w.closesAt(start)-1, start)
	}
	o.add(e)
	w.latest = o
}

func byPane(a, b *entry) int {
	if a.Key.start != b.Key.start {
		return cmp.Compare(a.Key.start, b.Key.start)
	}
	return strings.Compare(a.Key.group, b.Key.group)
}
