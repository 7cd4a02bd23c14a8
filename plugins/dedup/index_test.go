package dedup

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// collide makes ids that share shard and home slots, so that probing is tried.
func collide(n int) id { return id{8: byte(n % 3), 15: byte(n)} }

func TestIndexIsAMultimap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index
		model := map[id][]event.Time{}
		key := func(t *rapid.T) id { return collide(rapid.IntRange(0, 40).Draw(t, "id")) }
		at := func(t *rapid.T) event.Time { return event.Time(rapid.IntRange(0, 3).Draw(t, "time")) }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, a := key(t), at(t)
				if slices.Contains(model[k], a) {
					return // dedup never adds the same twice
				}
				x.add(k, a)
				model[k] = append(model[k], a)
			},
			"remove": func(t *rapid.T) {
				k, a := key(t), at(t)
				x.remove(k, a)
				model[k] = slices.DeleteFunc(model[k], func(m event.Time) bool { return m == a })
			},
			"": func(t *rapid.T) {
				n := 0
				for i := range 41 {
					k := collide(i)
					var got []event.Time
					x.each(k, func(m event.Time) bool { got = append(got, m); return true })
					want := slices.Clone(model[k])
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Fatalf("%v: %v, want %v", k, got, want)
					}
					n += len(want)
				}
				if x.n != n {
					t.Fatalf("%d ids, want %d", x.n, n)
				}
			},
		})
	})
}

func TestIDsOfUUIDsArePacked(t *testing.T) {
	const uuid = "d6ce70d5-c477-5493-a4f9-fccef14f3db9"
	if got := idOf(uuid).String(); got != "d6ce70d5c4775493a4f9fccef14f3db9" {
		t.Error(got)
	}
	// Other spellings are other keys.
	seen := map[id]string{idOf(uuid): uuid}
	for _, k := range []string{"", "a", "D6CE70D5-C477-5493-A4F9-FCCEF14F3DB9", "d6ce70d5c4775493a4f9fccef14f3db9", uuid + " "} {
		if other, ok := seen[idOf(k)]; ok {
			t.Errorf("%q and %q share an id", k, other)
		}
		seen[idOf(k)] = k
	}
}

// BenchmarkIndex adds and finds ids, and tells the bytes that one takes.
func BenchmarkIndex(b *testing.B) {
	keys := make([]id, 1<<20)
	for i := range keys {
		keys[i] = idOf(fmt.Sprint(i))
	}
	b.ResetTimer()
	for b.Loop() {
		var x index
		for i, k := range keys {
			x.each(k, func(event.Time) bool { return true })
			x.add(k, event.Time(i))
		}
		slots := 0
		for i := range x.shards {
			slots += cap(x.shards[i].slots)
		}
		b.ReportMetric(float64(slots*24)/float64(len(keys)), "B/id")
	}
}
