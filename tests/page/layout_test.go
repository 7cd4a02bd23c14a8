package page

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// widths in CSS pixels: a telephone, a tablet, a notebook, a desk.
var widths = []int64{400, 768, 1280, 1920}

// fits makes sure that a view keeps within its window at any width: nothing sticks out,
// no text is cut off, and no figure lies on another.
func (v *view) fits(hash string) {
	v.Helper()
	for _, width := range widths {
		v.Viewport(width, 900)
		v.show(hash)
		v.unfold()
		v.settle()
		for _, fault := range kit.Eval[[]string](v.Tab, layoutFaults) {
			v.Errorf("%s at %d px: %s", hash, width, fault)
		}
	}
}

// unfold opens all that is folded away.
func (v *view) unfold() {
	v.Helper()
	kit.Eval[bool](v.Tab, "document.querySelectorAll('details').forEach(d => { d.open = true; }); true")
}

// settle waits until the charts have been drawn for the present size.
func (v *view) settle() {
	v.Helper()
	kit.Eval[bool](v.Tab, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true), 50))))`)
}

const layoutFaults = `(() => {
	` + visible + `
	const faults = [];
	const name = e => e.dataset.figure || e.dataset.chart || e.id || e.className || e.tagName;
	const page = document.scrollingElement;
	if (page.scrollWidth > page.clientWidth) { // which is without the scrollbar
		const wide = [...document.querySelectorAll('body *')].filter(e => visible(e) && e.getBoundingClientRect().right > page.clientWidth + 1);
		faults.push('the page is ' + page.scrollWidth + ' px wide, because of ' + wide.slice(-3).map(name).join(', '));
	}
	// Text may go beyond what shows it only where one can scroll to it, or where an ellipsis says so.
	const texts = [...document.querySelectorAll('body *')].filter(e =>
		visible(e) && !e.closest('.visually-hidden, svg, option') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
	for (const e of texts) {
		const range = document.createRange();
		range.selectNodeContents(e);
		const box = range.getBoundingClientRect();
		for (let up = e; up && up !== document.body; up = up.parentElement) {
			const style = getComputedStyle(up);
			if (style.overflowX === 'auto' || style.overflowX === 'scroll' || style.textOverflow === 'ellipsis') break;
			if (up.offsetWidth <= 1) break; // for those who listen
			if (style.overflowX === 'visible') continue;
			const frame = up.getBoundingClientRect();
			if (box.right > frame.right + 1 || box.left < frame.left - 1) {
				faults.push('cut off: ' + name(e) + ' "' + e.textContent.trim().slice(0, 40) + '" in ' + name(up));
				break;
			}
		}
	}
	const figures = [...document.querySelectorAll('[data-figure]')].filter(e => visible(e) && !e.querySelector('[data-figure]') && e.textContent.trim());
	const boxes = figures.map(e => [e, e.getBoundingClientRect()]);
	for (let i = 0; i < boxes.length && faults.length < 20; i++) {
		for (let j = i + 1; j < Math.min(boxes.length, i + 40); j++) {
			const [a, b] = [boxes[i][1], boxes[j][1]];
			if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1) {
				faults.push(name(boxes[i][0]) + ' lies on ' + name(boxes[j][0]));
			}
		}
	}
	return faults.slice(0, 20);
})()`

// shutsNobodyOut: axe-core finds no barrier that is serious or critical, in either scheme.
func (v *view) shutsNobodyOut(hash string) {
	v.Helper()
	v.Viewport(1280, 900)
	for _, scheme := range []string{"light", "dark"} {
		v.Prefer(scheme)
		v.show(hash)
		v.unfold()
		v.settle()
		for _, barrier := range v.Barriers() {
			if barrier.Impact == "serious" || barrier.Impact == "critical" {
				v.Errorf("%s, %s: %v", hash, scheme, barrier)
			} else {
				v.Logf("%s, %s: %v", hash, scheme, barrier)
			}
		}
	}
}

// looksRight is what holds of both views, whatever they show.
func (s *server) looksRight(t *testing.T) {
	for _, c := range []struct{ view, large, small string }{{"sales", "#sales?range=all", "#sales?range=24h"}, {"streams", "#streams", "#streams"}} {
		t.Run(c.view+" fits", func(t *testing.T) { s.open(t, c.large).fits(c.large) })
		t.Run(c.view+" shuts nobody out", func(t *testing.T) { s.open(t, c.small).shutsNobodyOut(c.small) })
	}
}

// A page without any data says so, and is no worse than another.
func TestNothing(t *testing.T) {
	s := newWorld(t).serve()
	s.looksRight(t)
	t.Run("says so", func(t *testing.T) {
		for hash, says := range map[string]string{"#sales": "No data yet", "#streams": "No stream has run yet"} {
			v := s.open(t, hash)
			v.Await(attention, fmt.Sprintf("document.getElementById('main').innerText.includes(%q)", says), "document.getElementById('main').innerText")
			if !kit.Eval[bool](v.Tab, "document.getElementById('main').innerText.includes('tidemark consume')") {
				t.Errorf("%s does not say what to do", hash)
			}
		}
	})
}

// A dozen orders, without Kafka.
func TestLittle(t *testing.T) {
	w := newWorld(t)
	w.exampleOrders(12)
	s := w.serve()
	s.looksRight(t)
	t.Run("keyboard", func(t *testing.T) { s.of(t).worksByKeyboard(t) })
}

// exampleOrders fills the database with generated orders, without Kafka.
func (w *world) exampleOrders(n int) {
	w.Helper()
	c := w.command("run", "streams/examples/olist_without_kafka.yaml")
	c.Env = append(c.Env, "TIDEMARK_DATASET_DIR="+generated(w, "--orders", strconv.Itoa(n)))
	kit.MustRun(w, c, patience)
}
