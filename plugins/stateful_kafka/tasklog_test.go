package statefulkafka

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var stepLine = regexp.MustCompile(`level=(\w+) msg="(Task [^"]*)".* task=(\d+)`)

// lives are the steps that a stream has logged of each task, in order.
func lives(s *stream) map[string][]string {
	steps := map[string][]string{}
	for line := range strings.Lines(s.log.String()) {
		if m := stepLine.FindStringSubmatch(line); m != nil {
			if reason := regexp.MustCompile(` reason=(\w+)`).FindStringSubmatch(line); reason != nil && m[2] == "Task closed" {
				m[2] += " " + reason[1]
			}
			steps[m[3]] = append(steps[m[3]], strings.TrimPrefix(m[2], "Task "))
		}
	}
	return steps
}

var began = []string{"created", "fenced its former owner", "restored its state", "began its generation", "is running"}

// TestLifeIsLogged: every step of a task's life is one line, in order.
func TestLifeIsLogged(t *testing.T) {
	check := func(t *testing.T, what string, s *stream, tasks string, want ...string) {
		t.Helper()
		for _, task := range strings.Split(tasks, " ") {
			if got := lives(s)[task]; !slices.Equal(got, want) {
				t.Errorf("%s: task %s: %q\nwant %q\n%s", what, task, got, want, s.log)
			}
		}
	}
	t.Run("bounded", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.db = newDatabase()
			w.produce(shoppers(41, 3)...)
			s := w.start(strings.Replace(endless, "stop_at_end: false", "stop_at_end: true", 1), nil).wait()
			check(t, "bounded", s, "0 1 2", slices.Concat(began, []string{"finished its input", "closed finished"})...)
		}, shopTopics)
	})
	t.Run("moving", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.db = newDatabase()
			w.produce(shoppers(41, 3)...)
			a := w.machine(0).start(endless, nil)
			w.within(10*time.Second, "a runs", w.works(a, nil, 0, 1, 2))
			b := w.machine(1).start(endless, nil)
			w.within(time.Minute, "a task moves", func() bool { return begun(b) == 1 })
			b.stop()
			moved := ""
			for task := range lives(b) {
				moved = task
			}
			check(t, "second process", b, moved, slices.Concat(began, []string{"is closing", "made its last commit", "closed stopped"})...)
			w.within(time.Minute, "it comes back", func() bool { return begun(a) == 4 })
			a.stop()
			over := []string{"is closing", "made its last commit", "closed revoked"}
			stopped := []string{"is closing", "made its last commit", "closed stopped"}
			for _, task := range []string{"0", "1", "2"} {
				if task == moved {
					check(t, "first process", a, task, slices.Concat(began, over, began, stopped)...)
				} else {
					check(t, "first process", a, task, slices.Concat(began, stopped)...)
				}
			}
		}, shopTopics)
	})
}
