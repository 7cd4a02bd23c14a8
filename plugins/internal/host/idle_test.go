package host

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestIdleness plays what happens to the partitions of a task, with a timeout of
// 60 s. A script is a list of steps:
//
//	deliver A    partition A delivered a record
//	at B         the end of partition B was confirmed: prints whether B is idle
//	+10s         time passes
//	work A B 30s A delivers and the end of B is confirmed, every second
//	rest B 30s   the end of B is confirmed, every second
func TestIdleness(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   string // partitions in the order in which they turned idle
	}{
		"stands at its end while another delivers": {"deliver A; work A B 62s", "B"},
		"not before the timeout":                   {"deliver A; work A B 61s", ""},
		"the timeout counts from its last record":  {"deliver B; deliver A; work A B 50s; deliver B; work A B 59s", ""},
		"and then it is idle":                      {"deliver B; deliver A; work A B 50s; deliver B; work A B 62s", "B"},
		"alone nobody is idle":                     {"deliver A; rest A 600s", ""},
		"all still: the watermark stands":          {"deliver A; deliver B; rest A B 6000s", ""},
		"nothing was ever delivered":               {"rest A B 6000s", ""},
		"one record makes nobody idle":             {"rest A B 6000s; deliver A; rest A B 6000s", ""},
		"leaving stillness restarts the timers":    {"deliver A; deliver B; rest A B 6000s; deliver A; work A B 59s", ""},
		"and they run from there":                  {"deliver A; deliver B; rest A B 6000s; deliver A; work A B 62s", "B"},
		"silence after a burst makes nobody idle":  {"deliver A; deliver B; work A B 50s; rest A B 6000s", ""},
		"they run from the delivery, not before":   {"rest A B 100s; +14s; deliver A; work A B 55s", ""},
		"what was stood before stillness is void":  {"deliver A; work A B 50s; rest A B 60s; work A B 55s", ""},
		"a short silence of all is no stillness":   {"deliver A; work A B 30s; rest B 20s; work A B 13s", "B"},
		"sparse records within the timeout count":  {"deliver A; rest B 50s; deliver A; rest B 50s; deliver A; rest B 1s", "B"},
		"sparse records are stillness each time":   {"deliver A; rest B 61s; deliver A; rest B 61s; deliver A; rest B 61s; deliver A; rest B 61s", ""},
		// Confirmations are what counts, and no more than 15 s between two of them.
		"a silent broker does not count":            {"deliver A; at B; work A 55s; at B; work A 55s; at B; work A 55s; at B", ""},
		"no single answer of it makes idle":         {"deliver A; at B; work A 3600s; at B", ""},
		"the first confirmation counts nothing":     {"deliver A; work A 600s; at B", ""},
		"answers 15 s apart count in full":          {"deliver A; at B; work A 15s; at B; work A 15s; at B; work A 15s; at B; work A 15s; at B; work A B 2s", "B"},
		"a task that stood for an hour":             {"deliver A; work A B 50s; +3600s; at B; at A; deliver A; at B; at B; at B; work A B 58s", ""},
		"a task that stood for less than a timeout": {"deliver A; work A B 30s; +50s; at B; deliver A; work A B 14s", ""},
		"several are idle at once":                  {"deliver A; work A B C 62s", "B C"},
		"who delivered last stands too":             {"deliver A; work A B C 20s; work B A C 62s", "C A"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := playIdleness(t, c.script); got != c.want {
				t.Errorf("idle: %q, want %q", got, c.want)
			}
		})
	}
}

func playIdleness(t *testing.T, script string) string {
	d := newIdleness(3, time.Minute)
	now := time.Unix(1_000_000, 0)
	idle := make([]bool, 3)
	var order []string
	confirm := func(i int) {
		if d.confirm(i, now) && !idle[i] {
			idle[i] = true
			order = append(order, string(rune('A'+i)))
		}
	}
	deliver := func(i int) {
		idle[i] = false
		d.deliver(i, now)
	}
	for step := range strings.SplitSeq(script, "; ") {
		words := strings.Fields(step)
		var parts []int
		for _, w := range words {
			if len(w) == 1 {
				parts = append(parts, int(w[0]-'A'))
			}
		}
		seconds := 0
		if last := words[len(words)-1]; strings.HasSuffix(last, "s") {
			if _, err := fmt.Sscanf(strings.TrimPrefix(last, "+"), "%ds", &seconds); err != nil {
				t.Fatal(step, err)
			}
		}
		switch {
		case words[0] == "deliver":
			deliver(parts[0])
		case words[0] == "at":
			confirm(parts[0])
		case words[0][0] == '+':
			now = now.Add(time.Duration(seconds) * time.Second)
		default: // work, rest
			for range seconds {
				if words[0] == "work" {
					deliver(parts[0])
				}
				for k, p := range parts {
					if k > 0 || words[0] == "rest" {
						confirm(p)
					}
				}
				now = now.Add(time.Second)
			}
		}
	}
	return strings.Join(order, " ")
}
