package kit

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromiumEnv names the program to use as browser.
const chromiumEnv = "CHROMIUM"

var chromium struct {
	sync.Mutex
	ctx context.Context // of the running browser; nil before the first test asks
}

// startChromium returns the context of the shared browser, which it starts if need be.
func startChromium(t testing.TB) context.Context {
	t.Helper()
	path := findChromium(t)
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx != nil {
		return chromium.ctx
	}
	dir := Scratch(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Flag("disable-dev-shm-usage", true),
		// Nothing is to be looked up or sent anywhere: the pages are those of loopback.
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-pings", true),
		// Shapes of letters differ between machines; their grid at least does not.
		chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("hide-scrollbars", false),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to start otherwise
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		closeBrowser()
		end()
		t.Fatalf("kit: starting %s: %v", path, err)
	}
	atEnd(func() {
		closeBrowser()
		end()
	})
	chromium.ctx = ctx
	return ctx
}

// findChromium is the path of the browser's program.
func findChromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(chromiumEnv); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "no Chromium on the PATH, and %s is not set (Debian: apt-get install chromium)", chromiumEnv)
	return ""
}
