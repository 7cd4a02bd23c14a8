package kit_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// serve answers every request with a page, under a policy of content.
func serve(t *testing.T, policy, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write([]byte(`<!doctype html><html lang=en><title>page</title><link rel=icon href=data:,>` + body))
	}))
	t.Cleanup(server.Close)
	return server
}

// A tab that tests rely on notices each thing that ought not to happen.
func TestTabTellsOfTroubles(t *testing.T) {
	const lax = "default-src 'self' 'unsafe-inline' data:"
	for _, c := range []struct{ name, policy, body, says string }{
		{"console", lax, `<script>console.error("broken", 1)</script>`, `console.error: "broken" 1`},
		{"exception", lax, `<script>throw new Error("thrown")</script>`, "thrown"},
		{"rejection", lax, `<script>Promise.reject(new Error("refused"))</script>`, "refused"},
		{"not found", lax, `<img alt="" src="/nothing.png">`, "/nothing.png: status 404"},
		{"refused", lax, `<script>fetch("http://127.0.0.1:9/")</script>`, "http://127.0.0.1:9/"},
		{"inline style", "default-src 'none'; img-src data:", `<p style="color: red">x`, "style-src-attr"},
		{"inline script", "default-src 'none'; img-src data:", `<script>1</script>`, "script-src-elem"},
		{"nothing", lax, `<p>fine`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t, c.policy, c.body)
			tab := kit.NewTab(t)
			tab.Navigate(server.URL)
			if c.says == "" {
				if troubles := tab.Troubles(); len(troubles) > 0 {
					t.Errorf("%q", troubles)
				}
				if hosts := tab.Hosts(); !slices.Equal(hosts, []string{server.Listener.Addr().String()}) {
					t.Errorf("it has asked %q", hosts)
				}
				return
			}
			var troubles []string
			kit.Eventually(t, time.Minute, func() (bool, string) {
				troubles = append(troubles, tab.Troubles()...)
				return strings.Contains(strings.Join(troubles, "\n"), c.says), strings.Join(troubles, "\n")
			})
		})
	}
}

func TestBarriers(t *testing.T) {
	tab := kit.NewTab(t)
	tab.Navigate(serve(t, "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
		`<main><h1>Page</h1><p style="color: #eee; background: #fff">pale</p><button></button></main>`).URL)
	var found []string
	for _, barrier := range tab.Barriers() {
		found = append(found, barrier.ID+" "+barrier.Impact)
	}
	slices.Sort(found)
	if want := []string{"button-name critical", "color-contrast serious"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	tab.Navigate(serve(t, "default-src 'none'; img-src data:", `<main><h1>Page</h1><p>plain</p></main>`).URL)
	if barriers := tab.Barriers(); len(barriers) > 0 {
		t.Error(barriers)
	}
}
