package state

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// anyTime draws times around 0, both before and after 1970, and the ends of time.
func anyTime() *rapid.Generator[event.Time] {
	return rapid.Custom(func(t *rapid.T) event.Time {
		if rapid.IntRange(0, 20).Draw(t, "extreme") == 0 {
			return rapid.SampledFrom([]event.Time{event.MinTime, event.MinTime + 1, event.MaxTime - 1, event.MaxTime}).Draw(t, "end")
		}
		return event.Time(rapid.Int64Range(-50, 50).Draw(t, "t"))
	})
}

// bucketOf is the number of the bucket of t, by the mathematical definition.
func bucketOf(t event.Time, width event.Duration) int64 {
	q := int64(t) / int64(width)
	if q*int64(width) > int64(t) {
		q--
	}
	return q
}

// TestBuckets compares with a slice: a key is popped once, when the last instant of
// its bucket has passed, never before its own time, smallest buckets first.
func TestBuckets(t *testing.T) {
	type filed struct {
		at  event.Time
		key int
	}
	rapid.Check(t, func(t *rapid.T) {
		width := event.Duration(rapid.IntRange(1, 20).Draw(t, "width"))
		buckets := NewBuckets[int](width)
		var model []filed
		key := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				at := anyTime().Draw(t, "at")
				buckets.Add(at, key)
				model = append(model, filed{at, key})
				key++
			},
			"pop": func(t *rapid.T) {
				w := anyTime().Draw(t, "w")
				var due, left []filed
				for _, f := range model {
					if bucketOf(f.at, width) < bucketOf(w, width) {
						due = append(due, f)
					} else {
						left = append(left, f)
					}
				}
				slices.SortStableFunc(due, func(a, b filed) int { return cmp.Compare(bucketOf(a.at, width), bucketOf(b.at, width)) })
				var want, got []int
				for _, f := range due {
					if f.at >= w {
						t.Fatalf("the model pops %v at %v", f.at, w)
					}
					want = append(want, f.key)
				}
				buckets.Pop(w, func(k int) { got = append(got, k) })
				if !slices.Equal(got, want) {
					t.Fatalf("at %v keys %v were popped, want %v", w, got, want)
				}
				model = left
			},
		})
		left := 0
		for _, keys := range buckets.keys {
			left += len(keys)
		}
		if left != len(model) || len(buckets.order) != len(buckets.keys) {
			t.Fatalf("%d keys are left in %d buckets, want %d", left, len(buckets.order), len(model))
		}
	})
}

// TestBucketsAtTheEndsOfTime: no width makes a bucket's end run over.
func TestBucketsAtTheEndsOfTime(t *testing.T) {
	for _, width := range []event.Duration{1, 3, 64, event.Day, math.MaxInt64} {
		b := NewBuckets[event.Time](width)
		for _, at := range []event.Time{event.MaxTime, event.MaxTime - 1, event.MinTime} {
			b.Add(at, at)
		}
		b.Pop(0, func(at event.Time) {
			if at >= 0 {
				t.Errorf("width %d: %v was popped at 0", width, at)
			}
		})
	}
}

// TestTimers compares with a slice that is sorted by time and, for the same time, in the order of Set.
func TestTimers(t *testing.T) {
	type filed struct {
		at  event.Time
		key int
	}
	rapid.Check(t, func(t *rapid.T) {
		var timers Timers[int]
		var model []filed
		key := 0
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				at := anyTime().Draw(t, "at")
				timers.Set(at, key)
				i, _ := slices.BinarySearchFunc(model, at, func(f filed, at event.Time) int {
					if f.at <= at {
						return -1
					}
					return 1
				})
				model = slices.Insert(model, i, filed{at, key})
				key++
			},
			"pop": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("none is set")
				}
				k, ok := timers.Pop(model[0].at)
				if !ok || k != model[0].key {
					t.Fatalf("popped %d, %v; want %d", k, ok, model[0].key)
				}
				model = model[1:]
			},
			"pop at another time": func(t *rapid.T) {
				at := anyTime().Draw(t, "at")
				if len(model) > 0 && model[0].at == at {
					t.Skip("it is due")
				}
				if k, ok := timers.Pop(at); ok {
					t.Fatalf("popped %d at %v", k, at)
				}
			},
			"": func(t *rapid.T) {
				next := event.MaxTime
				if len(model) > 0 {
					next = model[0].at
				}
				if timers.Next() != next || timers.Len() != len(model) {
					t.Fatalf("%d timers, the next at %v; want %d and %v", timers.Len(), timers.Next(), len(model), next)
				}
			},
		})
	})
}
