package replay

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

func TestSortBreaksTies(t *testing.T) {
	refs := []Ref{{5, 1, 2, 0}, {5, 0, 2, Duplicate}, {5, 0, 2, 0}, {5, 9, 0, 0}, {5, 3, 1, 0}, {4, 7, 2, 0}}
	Sort(refs)
	if want := []Ref{{4, 7, 2, 0}, {5, 9, 0, 0}, {5, 3, 1, 0}, {5, 0, 2, 0}, {5, 0, 2, Duplicate}, {5, 1, 2, 0}}; !slices.Equal(refs, want) {
		t.Error(refs)
	}
}

// inject does so to records of one source at the given times.
func inject(times []event.Time, in Injection) (refs []Ref, n Counts) {
	for i, at := range times {
		refs = append(refs, Ref{At: at, Row: int32(i)})
	}
	refs = Inject(refs, func(r Ref) event.Time { return times[r.Row] }, in)
	for _, r := range refs {
		n.Count(r.Kind)
	}
	return refs, n
}

func sortedTimes(t *rapid.T) []event.Time {
	times := rapid.SliceOf(rapid.Map(rapid.Int64Range(0, 5e6), func(ms int64) event.Time { return event.Time(ms) })).Draw(t, "times")
	slices.Sort(times)
	return times
}

func TestInject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := sortedTimes(t)
		in := Injection{
			Duplicates: rapid.SampledFrom([]float64{0, 0.05, 1}).Draw(t, "duplicates"),
			Late:       rapid.SampledFrom([]float64{0, 0.05, 1}).Draw(t, "late"),
			Disorder:   event.Duration(rapid.Int64Range(0, 120_000).Draw(t, "disorder")),
			Seed:       rapid.Uint64().Draw(t, "seed"),
		}
		sends, n := inject(times, in)

		// Each record is sent once, duplicates once more; nothing else is sent.
		copies := make([]int, len(times))
		var duplicates int
		originalAt := make([]event.Time, len(times))
		for _, s := range sends {
			if s.Kind == Duplicate {
				duplicates++
				if copies[s.Row] == 0 || s.At <= originalAt[s.Row] || s.At > originalAt[s.Row].Add(DuplicateWithin) {
					t.Fatalf("duplicate of %d at %d, original at %d", s.Row, s.At, originalAt[s.Row])
				}
			} else {
				originalAt[s.Row] = s.At
			}
			copies[s.Row]++
		}
		for i, c := range copies {
			if c < 1 || c > 2 {
				t.Fatalf("record %d is sent %d times", i, c)
			}
		}
		if len(sends) != len(times)+duplicates || len(sends) > in.Room(len(times))+len(times) {
			t.Fatal(n, duplicates, len(sends))
		}

		// No ordinary record is behind a watermark that trails by the disorder.
		watermark, seen := event.MinTime, event.MinTime
		for i, s := range sends {
			if i > 0 && s.At < sends[i-1].At {
				t.Fatal("not in order of schedule")
			}
			if (s.Kind == Ordinary || s.Kind == Disordered) && times[s.Row] < watermark {
				t.Fatalf("record of %d is overtaken by more than %d", times[s.Row], in.Disorder)
			}
			watermark = max(watermark, times[s.Row].Add(-in.Disorder))
			if overtaken := times[s.Row] < seen; s.Kind == Ordinary && overtaken || s.Kind == Disordered && !overtaken {
				t.Fatalf("record of %d is of kind %d, the largest before it %d", times[s.Row], s.Kind, seen)
			}
			seen = max(seen, times[s.Row])
			if s.Kind == Late && (s.At < times[s.Row].Add(LateAtLeast) || s.At > times[s.Row].Add(LateAtMost)) {
				t.Fatal("late by", s.At-times[s.Row])
			}
		}

		if again, m := inject(times, in); !slices.Equal(again, sends) || m != n {
			t.Fatal("the same seed made another choice")
		}
	})
}

func TestInjectNothing(t *testing.T) {
	sends, n := inject([]event.Time{1, 1, 2}, Injection{Seed: 9})
	if want := []Ref{{1, 0, 0, Ordinary}, {1, 1, 0, Ordinary}, {2, 2, 0, Ordinary}}; !slices.Equal(sends, want) || n != (Counts{}) {
		t.Error(sends, n)
	}
}

// Shares come out about right, and one injection does not change another's choice.
func TestInjectShares(t *testing.T) {
	times := make([]event.Time, 10_000)
	for i := range times {
		times[i] = event.Time(i * 1000)
	}
	_, n := inject(times, Injection{Duplicates: 0.02, Disorder: event.Minute, Late: 0.01, Seed: 1})
	if n.Duplicates < 150 || n.Duplicates > 250 || n.Late < 60 || n.Late > 140 || n.Disordered < 8000 {
		t.Error(n)
	}
	_, alone := inject(times, Injection{Duplicates: 0.02, Seed: 1})
	if alone.Duplicates != n.Duplicates {
		t.Error(alone, n)
	}
	if _, other := inject(times, Injection{Duplicates: 0.02, Seed: 2}); other == alone {
		t.Error("another seed made the same choice")
	}
}

func TestPacer(t *testing.T) {
	p := NewPacer(10, 100*time.Millisecond)
	for _, step := range []struct {
		at   event.Time
		want time.Duration
	}{
		{1_000_000, 0},
		{1_000_500, 50 * time.Millisecond},
		{1_000_500, 50 * time.Millisecond},
		{9_000_000, 150 * time.Millisecond}, // a quiet stretch
		{9_000_001, 150*time.Millisecond + 100*time.Microsecond},
	} {
		if got := p.Due(step.at); got != step.want {
			t.Errorf("%d is due after %v, want %v", step.at, got, step.want)
		}
	}
}

func TestPacerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := sortedTimes(t)
		speed := rapid.SampledFrom([]float64{0, 0.5, 1, 3, 10, 3600}).Draw(t, "speed")
		maxGap := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "gap"))
		p := NewPacer(speed, maxGap)
		prev := time.Duration(0)
		for i, at := range times {
			due := p.Due(at)
			if again := p.Due(at); again != due {
				t.Fatal("asking twice changed the schedule")
			}
			// Both are cut to whole nanoseconds, so between them lies one more at most.
			if due < prev || maxGap > 0 && due-prev > maxGap+1 {
				t.Fatalf("waits %v", due-prev)
			}
			if speed == 0 && due != 0 {
				t.Fatal("waits at full speed")
			}
			// Without a bound on gaps there is no drift however many records came before.
			if exact := float64(at-times[0]) * 1e6 / speed; speed > 0 && maxGap == 0 && math.Abs(float64(due)-exact) > float64(i+1) {
				t.Fatalf("due after %v, exact would be %v", due, time.Duration(exact))
			}
			prev = due
		}
	})
}

func TestPacerDoesNotOverflow(t *testing.T) {
	p := NewPacer(1e-9, 0)
	p.Due(0)
	for _, at := range []event.Time{1e12, 2e12, 3e12} {
		if d := p.Due(at); d <= 0 {
			t.Error(d)
		}
	}
}

func TestParseSpeed(t *testing.T) {
	for in, want := range map[string]float64{"max": 0, "0": 0, "1": 1, "0.5": 0.5, "3600": 3600} {
		if got, err := ParseSpeed(in); err != nil || got != want {
			t.Error(in, got, err)
		}
	}
	for _, in := range []string{"", "fast", "-1", "NaN", "Inf", "10x"} {
		if _, err := ParseSpeed(in); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
}
