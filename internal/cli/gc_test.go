package cli

import "testing"

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 4800, 16 << 20: 300, 48 << 20: 100, 192 << 20: 50, 1 << 40: 50} {
		if got := percent(live); got != want {
			t.Errorf("%d MB live: %d %%, want %d", live>>20, got, want)
		}
	}
}
