package dedup

import (
	"slices"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

func TestInspect(t *testing.T) {
	d := New(Config{Key: "id", TTL: 6400}, state.NewMemory())
	driver := tasktest.Op(t, d)
	see := func(key string, at, w event.Time) {
		driver.Add(event.Row{Time: at, Watermark: w, Schema: schema, Values: []event.Value{event.StringOf(key), event.IntOf(0)}, Source: &event.Source{}})
		driver.Cut()
	}
	expect := func(key string, w event.Time, want ...string) {
		t.Helper()
		got, err := d.Inspect(key, w)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s at %v: %q, %v, want %q", key, w, got, err, want)
		}
	}
	expect("a", 0)
	see(clash[0], 1000, 0)
	see("a", 1000, 0)
	see("a", 1001, 0)
	see("a", 7401, 0) // more than TTL later: no duplicate
	see("a", 7402, 0)
	const first = "seen at 1970-01-01T00:00:01Z, forgotten "
	expect("a", 7400, first+"when the watermark is later than 1970-01-01T00:00:07.4Z",
		"seen at 1970-01-01T00:00:07.401Z, forgotten when the watermark is later than 1970-01-01T00:00:13.801Z")
	expect("a", 7401, first+"since the watermark is later than 1970-01-01T00:00:07.4Z", // it stays until its bucket goes
		"seen at 1970-01-01T00:00:07.401Z, forgotten when the watermark is later than 1970-01-01T00:00:13.801Z")
	expect(clash[0], 0, first+"when the watermark is later than 1970-01-01T00:00:07.4Z")
	expect(clash[1], 0) // the index takes it for the other
	expect("b", 0)
	see("b", 7600, 7600)
	expect("a", 7600, "seen at 1970-01-01T00:00:07.401Z, forgotten when the watermark is later than 1970-01-01T00:00:13.801Z")
}
