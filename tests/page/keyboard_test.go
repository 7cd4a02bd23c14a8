package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// focused tells of the element that has the focus: what it is to who listens, and whether
// one sees that it has the focus.
type focused struct {
	Role, Name string
	Seen       bool
}

// What a control looks like with the focus and without differs, in itself or in what its
// label draws for it.
const focus = `(() => {
	const e = document.activeElement;
	const box = e.getBoundingClientRect();
	const parts = [e, ...(e.labels ?? [])].flatMap(d => [d, ...d.children]);
	const look = () => parts.map(d => getComputedStyle(d)).map(s =>
		[s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 && s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor].join(' ')).join();
	const visible = e.matches(':focus-visible') && box.bottom > 0 && box.top < innerHeight;
	const focused = look();
	e.blur();
	const left = look();
	e.focus({preventScroll: true});
	const name = e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent;
	return {
		Role: e.getAttribute('role') ?? (e.type === 'radio' ? 'radio' : e.tagName.toLowerCase()),
		Name: name.trim().replace(/\s+/g, ' ').slice(0, 40),
		Seen: visible && focused !== left,
	};
})()`

// tour presses Tab until the focus has left the page, and tells of every stop.
func (v *view) tour() []focused {
	v.Helper()
	var stops []focused
	for range 80 {
		v.Press(kb.Tab)
		stop := kit.Eval[focused](v.Tab, focus)
		if stop.Role == "body" {
			break
		}
		stops = append(stops, stop)
	}
	return stops
}

// works with keys alone.
func (s *server) worksByKeyboard(t *testing.T) {
	v := s.open(t, "#sales")
	v.Viewport(1280, 900)
	stops := v.tour()
	var order []string
	for _, stop := range stops {
		if !stop.Seen {
			t.Errorf("one does not see that %s %q has the focus", stop.Role, stop.Name)
		}
		order = append(order, stop.Role+" "+stop.Name)
	}
	// Each is reached, in this order; others may lie between.
	next := 0
	wanted := []string{"a Skip to the figures", "tab Sales", "button Dark theme", "radio 7 days", "radio auto"}
	for _, stop := range order {
		if next < len(wanted) && strings.EqualFold(stop, wanted[next]) {
			next++
		}
	}
	if next < len(wanted) {
		t.Errorf("%q is not reached: %q", wanted[next], order)
	}

	t.Run("skip link", func(t *testing.T) {
		v := s.open(t, "#sales")
		v.Press(kb.Tab)
		v.Press(kb.Enter)
		v.Await(attention, "document.activeElement.id === 'main'", "document.activeElement.id")
		if hash := kit.Eval[string](v.Tab, "location.hash"); strings.Contains(hash, "streams") {
			t.Errorf("the view has changed: %s", hash)
		}
	})
	t.Run("tabs", func(t *testing.T) {
		v := s.open(t, "#sales")
		v.Press(kb.Tab)
		v.Press(kb.Tab)
		for _, step := range []struct{ key, tab string }{
			{kb.ArrowRight, "streams"}, {kb.ArrowRight, "sales"}, {kb.ArrowLeft, "streams"}, {kb.Home, "sales"}, {kb.End, "streams"},
		} {
			v.Press(step.key)
			v.Await(attention, fmt.Sprintf(`document.activeElement.id === 'tab-%[1]s' && document.activeElement.ariaSelected === 'true'
				&& document.querySelectorAll('[role=tab][aria-selected=true]').length === 1
				&& !document.getElementById('view-%[1]s').hidden && location.hash.startsWith('#%[1]s')`, step.tab),
				"[document.activeElement.outerHTML, location.hash]")
		}
	})
	t.Run("range and bucket", func(t *testing.T) {
		v := s.open(t, "#sales?range=7d&bucket=hour")
		v.Focus("#ranges input:checked")
		v.Press(kb.ArrowRight)
		v.Await(attention, "location.hash.includes('range=30d')", "location.hash")
		v.Focus("#buckets input:checked")
		v.Press(kb.ArrowRight)
		v.Await(attention, "location.hash.includes('bucket=day')", "location.hash")
	})
	t.Run("theme", func(t *testing.T) {
		v := s.open(t, "#sales")
		before := kit.Eval[string](v.Tab, "document.documentElement.dataset.theme")
		v.Focus("#theme")
		v.Press(" ")
		v.Await(attention, fmt.Sprintf("document.documentElement.dataset.theme !== %q", before), "document.documentElement.dataset.theme")
		after := kit.Eval[string](v.Tab, "document.documentElement.dataset.theme")
		v.Reload()
		v.awaitConnection("live")
		if kept := kit.Eval[string](v.Tab, "document.documentElement.dataset.theme"); kept != after {
			t.Errorf("the theme was %s before the page was loaded again, and is %s", after, kept)
		}
	})
}
