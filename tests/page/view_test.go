package page

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// view is the page in a tab.
type view struct {
	*kit.Tab
	server *server
	// tolerates says which troubles are to be expected, while a server is away.
	tolerates func(trouble string) bool
}

// open opens the page at an address's hash, and returns when it is live. When the test
// ends nothing may have gone wrong in the browser, and no other host been asked.
func (s *server) open(t testing.TB, hash string) *view {
	t.Helper()
	v := s.blank(t)
	v.show(hash)
	return v
}

// blank is a tab that has not loaded the page yet.
func (s *server) blank(t testing.TB) *view {
	t.Helper()
	v := &view{Tab: kit.NewTab(t), server: s, tolerates: func(string) bool { return false }}
	t.Cleanup(func() {
		for _, trouble := range v.Troubles() {
			if !v.tolerates(trouble) {
				t.Error(trouble)
			}
		}
		if hosts := v.Hosts(); !slices.Equal(hosts, []string{s.address}) {
			t.Errorf("the page has asked %q, it is at %s", hosts, s.address)
		}
	})
	return v
}

// show loads the page at a hash.
func (v *view) show(hash string) {
	v.Helper()
	v.Navigate("http://" + v.server.address + "/" + hash)
	v.awaitConnection("live")
}

func (v *view) awaitConnection(want string) {
	v.Helper()
	v.Await(attention, fmt.Sprintf("document.querySelector('[data-connection]')?.dataset.connection === %q", want),
		"document.querySelector('[data-connection]')?.dataset.connection")
}

// visible tells of an element whether it is drawn: the other view is not, nor what is
// folded away.
const visible = `const visible = e => e.getClientRects().length > 0 && e.checkVisibility();`

// figures are all that the view shows.
func (v *view) figures() figures {
	v.Helper()
	return kit.Eval[figures](v.Tab, `(() => {
		`+visible+`
		const found = {};
		for (const e of document.querySelectorAll('[data-figure]')) {
			if (!visible(e) || e.closest('[data-chart]')) continue;
			const row = e.closest('[data-row]')?.dataset.row;
			found[(row ? row + ' ' : '') + e.dataset.figure] = e.dataset.value;
		}
		return found;
	})()`)
}

// shows waits until the page shows figures that are computed anew each time, and says
// where it does not.
func (v *view) shows(want func() figures) {
	v.Helper()
	kit.Eventually(v, attention, func() (bool, string) {
		diff := differences(want(), v.figures())
		return len(diff) == 0, strings.Join(diff, "\n")
	})
}

// differences names each figure of want that is another one in got, or missing there.
func differences(want, got figures) []string {
	var diff []string
	for name, value := range want {
		if shown, ok := got[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s is not shown, want %q", name, value))
		} else if shown != value {
			diff = append(diff, fmt.Sprintf("%s is %q, want %q", name, shown, value))
		}
	}
	slices.Sort(diff)
	return diff
}
