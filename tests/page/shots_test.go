package page

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
	t.Run("none", func(t *testing.T) { newWorld(t).serve().shoot(t, dir, "none") })
	t.Run("little", func(t *testing.T) {
		w := newWorld(t)
		w.exampleOrders(12)
		w.serve().shoot(t, dir, "little")
	})
	t.Run("much", func(t *testing.T) {
		w := newPipeline(t)
		kit.Start(t, w.command("consume", "--no-console"))
		// Two years of orders, the newest event now.
		producing := kit.Start(t, w.command("produce", "--rebase", "now",
			"--dataset-dir", generated(t, "--orders", "10000", "--until", "2018-08-18", "--incidents", "3")))
		s := w.serve()
		s.shootAtWork(t, dir)
		producing.Wait(t, patience)
		kit.Eventually(t, patience, func() (bool, string) {
			row := w.row("select max(made_at) as made_at, max(made_at) > (select max(window_start) from gmv_windows) - interval '1 day' as foreseen from gmv_forecast")
			return row["foreseen"] == "true", fmt.Sprint(row)
		})
		s.shoot(t, dir, "much")
	})
}

// shootAtWork takes streams.png, of streams that read what comes.
func (s *server) shootAtWork(t *testing.T, dir string) {
	v := s.open(t, "#streams")
	v.forPictures()
	v.Prefer("light")
	v.Viewport(1280, 1280)
	kit.Eventually(t, patience, func() (bool, string) {
		rows := v.figures()["streams:tidemark-payments rows"]
		n, _ := strconv.Atoi(rows)
		return n > 6000, rows
	})
	v.settle()
	save(t, filepath.Join(dir, "streams.png"), v.Screenshot(false))
}

// shoot takes the pictures VIEW-AMOUNT-SCHEME-WIDTH.png, of whole pages, and of what a
// notebook shows of the sales sales-AMOUNT.png.
func (s *server) shoot(t *testing.T, dir, amount string) {
	v := s.open(t, "#sales")
	for _, hash := range []string{"#sales", "#streams"} {
		for _, scheme := range []string{"light", "dark"} {
			v.Prefer(scheme)
			for _, width := range []int64{400, 1280, 1920} {
				v.Viewport(width, 900)
				v.show(hash)
				v.forPictures()
				name := fmt.Sprintf("%s-%s-%s-%d.png", strings.TrimPrefix(hash, "#"), amount, scheme, width)
				save(t, filepath.Join(dir, name), v.Screenshot(true))
			}
		}
	}
	v.Prefer("light")
	v.Viewport(1280, 1280)
	v.show("#sales")
	v.forPictures()
	save(t, filepath.Join(dir, "sales-"+amount+".png"), v.Screenshot(false))
}

// forPictures leaves out scrollbars and the place for them.
func (v *view) forPictures() {
	v.Helper()
	v.HideScrollbars()
	kit.Eval[bool](v.Tab, "document.documentElement.style.scrollbarGutter = 'auto'; true")
	v.settle()
}

func save(t testing.TB, path string, png []byte) {
	t.Helper()
	if err := os.WriteFile(path, png, 0o644); err != nil {
		t.Fatal(err)
	}
}
