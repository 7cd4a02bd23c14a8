package kit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// AxeVersion is the axe-core that tests look for barriers with, and axeIntegrity what
// npm's registry says of its package. It is Deque's, under the MPL 2.0: fetched by
// tests, no part of the program.
const (
	AxeVersion   = "4.14.1"
	axeIntegrity = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// axe returns the script of axe-core, fetched once per machine and version with npm into
// the user's cache.
func axe(t testing.TB) string {
	t.Helper()
	const advice = "install npm (Debian: apt-get install npm)"
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal("kit: no cache folder for axe-core:", err)
	}
	dir := filepath.Join(cache, "tidemark-test", "axe-core-"+AxeVersion)
	if err := once(dir, fetchAxe); err != nil {
		Missing(t, "axe-core could not be fetched, %s: %v", advice, err)
	}
	script, err := os.ReadFile(filepath.Join(dir, axeScript))
	if err != nil {
		t.Fatal("kit:", err)
	}
	return string(script)
}

const axeScript = "axe.min.js"

func fetchAxe(dir string) error {
	pack := exec.Command("npm", "pack", "--silent", "axe-core@"+AxeVersion)
	pack.Dir = dir
	if out, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("npm: %w\n%s", err, out)
	}
	archive := filepath.Join(dir, "axe-core-"+AxeVersion+".tgz")
	packed, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	if err := intact(packed, axeIntegrity); err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	script, err := unpack(packed, "package/"+axeScript)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	if err := os.WriteFile(filepath.Join(dir, axeScript), script, 0o644); err != nil {
		return err
	}
	return os.Remove(archive)
}

// intact holds data against a subresource integrity of SHA-512.
func intact(data []byte, integrity string) error {
	sum := sha512.Sum512(data)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != integrity {
		return fmt.Errorf("its integrity is %s, want %s", got, integrity)
	}
	return nil
}

// unpack returns a file of a gzipped tar archive.
func unpack(archive []byte, name string) ([]byte, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(zipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("no %s in it", name)
		}
		if err != nil {
			return nil, err
		}
		if header.Name == name {
			return io.ReadAll(files)
		}
	}
}

// Barrier is something on a page that axe-core holds to shut people out.
type Barrier struct {
	ID     string   // of axe's rule
	Impact string   // minor, moderate, serious or critical
	Help   string   // the rule in words
	Nodes  []string // selector of each element, and what is wrong with it
}

func (b Barrier) String() string {
	return fmt.Sprintf("%s, %s: %s\n  %s", b.Impact, b.ID, b.Help, strings.Join(b.Nodes, "\n  "))
}

// Barriers runs axe-core's rules on the page as it is at the moment.
func (tab *Tab) Barriers() []Barrier {
	tab.Helper()
	if !Eval[bool](tab, "'axe' in window") {
		Eval[bool](tab, axe(tab)+"; true")
	}
	return Eval[[]Barrier](tab, `axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(v => ({
		ID: v.id, Impact: v.impact, Help: v.help,
		Nodes: v.nodes.map(n => n.target.join(' ') + ': ' + n.failureSummary.replaceAll('\n', ' ')),
	})))`)
}
