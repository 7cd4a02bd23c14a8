package cli

import "testing"

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64][2]int{ // without load, and under load
		1 << 20: {4800, 4800}, 16 << 20: {300, 300}, 48 << 20: {100, 100}, 64 << 20: {75, 100}, 80 << 20: {60, 120}, 128 << 20: {37, 100}, 240 << 20: {20, 20}, 1 << 40: {14, 14},
	} {
		if got := [2]int{percentOf(live, false), percentOf(live, true)}; got != want {
			t.Errorf("%d MB live: %v %%, want %v", live>>20, got, want)
		}
	}
}
