package assets_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/page/assets"
)

// read returns the files whose names end with one of the endings, by name.
func read(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(assets.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, ending := range endings {
			if strings.HasSuffix(name, ending) {
				data, err := fs.ReadFile(assets.Files, name)
				files[name] = string(data)
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The files of others are what `make vendor-assets` has fetched, to the byte.
func TestVendoredFiles(t *testing.T) {
	sums, err := os.ReadFile("vendor.sha256")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		want[name] = sum
	}
	for name, text := range read(t, "") {
		if !strings.HasPrefix(name, "vendor/") {
			continue
		}
		sum := sha256.Sum256([]byte(text))
		if got := hex.EncodeToString(sum[:]); got != want[name] {
			t.Errorf("%s has the sum %s, want %q", name, got, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}

var (
	references = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	imports    = regexp.MustCompile(`(?m)^import (?:[^"]* from )?"([^"]*)"`)
)

// Every file is reached from index.html, and every file that is asked for exists.
func TestReferences(t *testing.T) {
	files := read(t, ".html", ".css", ".js", ".svg")
	reached := map[string]bool{}
	var follow func(from, name string)
	follow = func(from, name string) {
		if reached[name] {
			return
		}
		text, ok := files[name]
		if !ok {
			t.Errorf("%s asks for %s, which does not exist", from, name)
			return
		}
		reached[name] = true
		if strings.HasPrefix(name, "vendor/") {
			return
		}
		for _, m := range imports.FindAllStringSubmatch(text, -1) {
			follow(name, path.Join(path.Dir(name), m[1]))
		}
	}
	reached["index.html"] = true
	for _, m := range references.FindAllStringSubmatch(files["index.html"], -1) {
		if name, ok := strings.CutPrefix(m[1], "/assets/"); ok {
			follow("index.html", name)
		} else if !strings.HasPrefix(m[1], "#") {
			t.Errorf("index.html asks for %s, which is not below /assets/", m[1])
		}
	}
	for name := range files {
		if !reached[name] {
			t.Errorf("nothing asks for %s", name)
		}
	}
}

// The policy of the page forbids code and styles in HTML, and data may never become HTML.
func TestNothingInline(t *testing.T) {
	html := regexp.MustCompile(`\sstyle=|<style|\son[a-z]+=|javascript:|<script(?:\s[^>]*)?>[^<]`)
	if m := html.FindString(read(t, ".html")["index.html"]); m != "" {
		t.Errorf("index.html has %q", m)
	}
	script := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|setAttribute\("(?:style|on)`)
	for name, text := range read(t, ".js") {
		if m := script.FindString(text); m != "" && !strings.HasPrefix(name, "vendor/") {
			t.Errorf("%s has %q", name, m)
		}
	}
}

// What of the scripts is pure has tests of its own, in test/.
func TestScripts(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	if out, err := exec.CommandContext(t.Context(), node, "--test", "test/").CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
