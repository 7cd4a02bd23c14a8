package page

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

var shots = flag.String("page.shots", "", "`folder` for pictures of the page, of generated data; TestShots makes them")

// TestShots makes pictures of both views in both schemes and several widths, with much
// data, little and none, for people to look at.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("no folder is given with -page.shots")
	}
	dir, err := filepath.Abs(filepath.Join(kit.Root(t), *shots))
	if err != nil {
		t.Fatal(err)
	}
	if filepath.IsAbs(*shots) {
		dir = *shots
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	newWorld(t).serve().shoot(t, dir, "none")

	w := newWorld(t)
	w.exampleOrders(12)
	w.serve().shoot(t, dir, "little")

	// Streams that run, with the end of a replay still before them.
	p := newOrders(t, generated(t, "--orders", "20000", "--until", "2018-08-30", "--incidents", "3"))
	kit.Start(t, p.command("consume", "--no-console"))
	s := p.serve()
	v := s.open(t, "#streams")
	p.run("produce", "--dataset-dir", p.dir, "--start-from", p.orders[standing].Format("2006-01-02 15:04:05"), "--rebase", "now")
	v.shows(func() figures { return figures{"streams:tidemark-funnel lag": "0"} })
	s.shoot(t, dir, "much")
}

// shoot takes the pictures VIEW-AMOUNT-SCHEME-WIDTH.png.
func (s *server) shoot(t *testing.T, dir, amount string) {
	v := s.open(t, "#sales")
	for _, hash := range []string{"#sales?range=30d", "#streams"} {
		view, _, _ := strings.Cut(strings.TrimPrefix(hash, "#"), "?")
		for _, scheme := range []string{"light", "dark"} {
			v.Prefer(scheme)
			for _, width := range []int64{400, 1280, 1920} {
				v.Viewport(width, 900)
				v.show(hash)
				v.settle()
				name := fmt.Sprintf("%s-%s-%s-%d.png", view, amount, scheme, width)
				if err := os.WriteFile(filepath.Join(dir, name), v.Screenshot(true), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
