package join

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// TestAgendaFiresLikeTimers compares with a heap of all timers, at both ends of time too.
func TestAgendaFiresLikeTimers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAgenda(event.Duration(rapid.SampledFrom([]int{0, 1, 640, 1 << 40}).Draw(t, "span")))
		var model state.Timers[due]
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				at := event.Time(rapid.IntRange(-50, 50).Draw(t, "at"))
				switch rapid.IntRange(0, 20).Draw(t, "where") {
				case 0:
					at = event.MaxTime - at.Add(50)
				case 1:
					at = event.MinTime + at.Add(50)
				}
				n++
				hex := fmt.Sprintf("%08x", 0xabcdef00+n)
				key := rapid.SampledFrom([]string{fmt.Sprint(n), hex, "0" + hex, strings.ToUpper(hex), "order " + hex, ""}).Draw(t, "key")
				d := due{key, rapid.Bool().Draw(t, "anchor")}
				a.Set(at, d)
				model.Set(at, d)
			},
			"pop": func(t *rapid.T) {
				at := model.Next() + event.Time(rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(t, "off"))
				got, ok := a.Pop(at)
				want, there := model.Pop(at)
				if got != want || ok != there {
					t.Fatalf("at %d: %v, %v; want %v, %v", at, got, ok, want, there)
				}
			},
			"": func(t *rapid.T) {
				if a.Next() != model.Next() {
					t.Fatalf("next is %v, want %v", a.Next(), model.Next())
				}
			},
		})
	})
}
