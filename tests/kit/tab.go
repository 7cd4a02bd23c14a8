package kit

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tabPatience bounds one thing that is asked of a browser.
const tabPatience = time.Minute

// Tab is one page in a real, headless Chromium, with a profile of its own: no cookies,
// storage or cache of other tabs. Its methods are not for concurrent use.
type Tab struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests map[network.RequestID]string // address
	hosts    map[string]bool              // that were asked for anything
	troubles []string
	loads    int // documents that were loaded
}

// NewTab opens an empty tab of the shared browser. It is closed when the test ends.
func NewTab(t testing.TB) *Tab {
	t.Helper()
	tab := &Tab{TB: t, requests: map[network.RequestID]string{}, hosts: map[string]bool{}}
	ctx, cancel := chromedp.NewContext(startChromium(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(tab.listen))
	t.Cleanup(cancel)
	tab.ctx = ctx
	// The browser tells of blocked content as an issue, and not always on the console.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal("kit: opening a tab:", err)
	}
	if _, err := chromedp.Call(ctx, audits.Enable, cdp.Empty{}); err != nil {
		t.Fatal("kit: opening a tab:", err)
	}
	return tab
}

// listen takes what the browser tells of the tab, on a goroutine of the browser's.
func (tab *Tab) listen(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tab.requests[e.RequestID] = e.Request.URL
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" && u.Scheme != "about" {
			tab.hosts[u.Host] = true
		}
	case *page.EventFrameNavigated:
		tab.loads++ // one within the document is another event
	case *network.EventLoadingFailed:
		if e.Canceled && e.BlockedReason == "" {
			return // the page has closed it, or is left
		}
		tab.trouble("request of %s: %s %s", tab.requests[e.RequestID], e.ErrorText, e.BlockedReason)
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			tab.trouble("request of %s: status %d", e.Response.URL, e.Response.Status)
		}
	case *runtime.EventConsoleAPICalled:
		var text []string
		for _, arg := range e.Args {
			text = append(text, strings.TrimSpace(string(arg.Value)+" "+arg.Description))
		}
		tab.trouble("console.%s: %s", e.Type, strings.Join(text, " "))
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		tab.trouble("exception: %s", text)
	case *log.EventEntryAdded:
		tab.trouble("browser's log, %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *audits.EventIssueAdded:
		if text := describe(e.Issue); !strings.Contains(text, "NavigationEntryMarkedSkippable") {
			tab.trouble("issue %s", text)
		} // else the address was changed by a test, which is no gesture of a user
	}
}

// describe names an issue, and what a content security policy has stopped.
func describe(issue *audits.InspectorIssue) string {
	if issue.Details != nil && issue.Details.ContentSecurityPolicyIssueDetails != nil {
		d := issue.Details.ContentSecurityPolicyIssueDetails
		return fmt.Sprintf("%s: %s of %s", issue.Code, d.ViolatedDirective, d.BlockedURL)
	}
	if issue.Details != nil && issue.Details.GenericIssueDetails != nil {
		return fmt.Sprintf("%s: %s", issue.Code, issue.Details.GenericIssueDetails.ErrorType)
	}
	return string(issue.Code)
}

func (tab *Tab) trouble(format string, args ...any) {
	tab.troubles = append(tab.troubles, fmt.Sprintf(format, args...))
}

// Troubles is everything that ought not to happen since the last call: messages on the
// console of any kind, exceptions, requests that failed, content that the page's security
// policy has stopped.
func (tab *Tab) Troubles() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	troubles := tab.troubles
	tab.troubles = nil
	return troubles
}

// Hosts are those (with port) that the tab has asked for anything, sorted.
func (tab *Tab) Hosts() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var hosts []string
	for host := range tab.hosts {
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return hosts
}

// Loads is how many documents the tab has loaded.
func (tab *Tab) Loads() int {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return tab.loads
}

// Focus gives an element the focus, as a click or key would.
func (tab *Tab) Focus(selector string) {
	tab.Helper()
	tab.Do(chromedp.Focus(chromedp.CSS(selector)))
}

// Do runs steps in the tab, each of which has to succeed.
func (tab *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	tab.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, tabPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.Fatalf("kit: in the browser: %v\n%s", err, strings.Join(tab.Troubles(), "\n"))
	}
}

// Navigate loads an address.
func (tab *Tab) Navigate(address string) {
	tab.Helper()
	tab.Do(chromedp.Navigate(address))
}

// Reload loads the page again.
func (tab *Tab) Reload() {
	tab.Helper()
	tab.Do(chromedp.Reload())
}

// Eval is the value of a JavaScript expression in the tab; of a promise, what it comes to.
// The page's content security policy does not hold for it.
func Eval[T any](tab *Tab, expression string) T {
	tab.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, tabPatience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.Fatalf("kit: in the browser: %v\n%s", err, expression)
	}
	return value
}

// Await waits until a JavaScript expression is true. State is another one, which tells
// what is the case instead.
func (tab *Tab) Await(limit time.Duration, expression, state string) {
	tab.Helper()
	Eventually(tab, limit, func() (bool, string) {
		if Eval[bool](tab, "!!("+expression+")") {
			return true, ""
		}
		return false, fmt.Sprintf("%s is not so: %s", expression, Eval[[]byte](tab, state))
	})
}

// Viewport gives the page a size in CSS pixels.
func (tab *Tab) Viewport(width, height int64) {
	tab.Helper()
	tab.Do(chromedp.EmulateViewport(width, height))
}

// Prefer lets the page believe that its user prefers a color scheme, "light" or "dark",
// and no motion, which would make what a picture shows a matter of time.
func (tab *Tab) Prefer(scheme string) {
	tab.Helper()
	if _, err := chromedp.Call(tab.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}); err != nil {
		tab.Fatal("kit: in the browser:", err)
	}
}

// HideScrollbars leaves them out of pictures.
func (tab *Tab) HideScrollbars() {
	tab.Helper()
	if _, err := chromedp.Call(tab.ctx, emulation.SetScrollbarsHidden, emulation.SetScrollbarsHiddenParams{Hidden: true}); err != nil {
		tab.Fatal("kit: in the browser:", err)
	}
}

// Press presses and releases keys, such as "a" or those of package kb of chromedp.
func (tab *Tab) Press(keys string, options ...chromedp.KeyOption) {
	tab.Helper()
	tab.Do(chromedp.KeyEvent(keys, options...))
}

// Screenshot is a PNG of the viewport, or of the whole page.
func (tab *Tab) Screenshot(whole bool) []byte {
	tab.Helper()
	action := chromedp.CaptureScreenshot()
	if whole {
		action = chromedp.FullScreenshot(100)
	}
	ctx, cancel := context.WithTimeout(tab.ctx, tabPatience)
	defer cancel()
	png, err := chromedp.Run(ctx, action)
	if err != nil {
		tab.Fatal("kit: in the browser:", err)
	}
	return png
}

// BeforeLoad runs a script in every page that the tab loads from now on, before the
// page's own.
func (tab *Tab) BeforeLoad(script string) {
	tab.Helper()
	if _, err := chromedp.Call(tab.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		tab.Fatal("kit: in the browser:", err)
	}
}
