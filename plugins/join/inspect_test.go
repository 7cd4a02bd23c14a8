package join

import (
	"slices"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

func TestInspect(t *testing.T) {
	j := New(config(100, 1000), state.NewMemory())
	driver := tasktest.New(t, task.Shape{Delay: 7}, task.Stage{Label: "op", Op: j})
	expect := func(key string, want ...string) {
		t.Helper()
		if got, err := j.Inspect(key, event.MinTime); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v\nwant %q", key, got, err, want)
		}
	}
	add := func(topic, key string, at event.Time, n int, ok bool) {
		r := row(topic, key, at, n, ok)
		r.Watermark = 0
		driver.Add(r)
		driver.Cut()
	}
	expect("a")
	add("items", "a", 450, 1, false)
	add("payments", "a", 500, 2, true)
	expect("a",
		"held: items at 1970-01-01T00:00:00.45Z, items/3 offset 1, waits for its anchor, an orphan when the watermark is later than 1970-01-01T00:00:00.557Z",
		"held: payments at 1970-01-01T00:00:00.5Z, payments/3 offset 2, waits for its anchor, an orphan when the watermark is later than 1970-01-01T00:00:00.607Z")
	expect("b")
	add("orders", "a", 500, 3, false)
	add("items", "a", 600, 4, false)
	add("items", "a", 1501, 5, false) // out of bounds
	add("payments", "a", 700, 6, false)
	expect("a",
		"anchor at 1970-01-01T00:00:00.5Z, orders/3 offset 3",
		"joined so far: items 2, payments 1", // the second payment is not one that counts
		"children join from 1970-01-01T00:00:00.4Z to 1970-01-01T00:00:01.5Z",
		"closed and forgotten when the watermark is later than 1970-01-01T00:00:01.507Z",
		`fields: k "a", n 3`)
	driver.Advance(1507)
	if got, _ := j.Inspect("a", 1507); len(got) == 0 {
		t.Error("forgotten too early")
	}
	driver.Advance(1508)
	expect("a")
}
