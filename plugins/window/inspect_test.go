package window

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

func TestInspect(t *testing.T) {
	w := New(Config{
		Label: "w", Size: 2 * event.Minute, Slide: event.Minute, AllowedLateness: event.Second, GroupBy: []string{"g", "h"}, ID: "event_id", OnUpdate: true,
		Aggregates: []Aggregate{{Name: "n", Kind: Count}, {Name: "total", Kind: Sum, Field: "v"}, {Name: "least", Kind: Min, Field: "s"}, {Name: "seen", Kind: Collect, Field: "s", Limit: 9}},
	}, state.NewMemory())
	driver := tasktest.New(t, task.Shape{Delay: 5}, task.Stage{Label: "op", Op: w})
	add := func(at event.Duration, g, h event.Value, v event.Value, s string) {
		driver.Add(event.Row{Time: event.Time(at), Watermark: event.MinTime, Schema: schema, Source: &event.Source{},
			Values: []event.Value{event.StringOf("id"), g, h, v, event.StringOf(s), event.BoolOf(true)}})
		driver.Cut()
	}
	a, null := event.StringOf("a"), event.Value{}
	add(10*event.Second, a, null, event.DecimalOf(150, 2), "x")
	add(70*event.Second, a, null, event.DecimalOf(5, 1), "w")
	add(10*event.Second, a, event.IntOf(7), event.IntOf(3), "y")
	const (
		m1    = "1969-12-31T23:59:00Z to 1970-01-01T00:01:00Z, "
		p0    = "1970-01-01T00:00:00Z to 1970-01-01T00:02:00Z, "
		p1    = "1970-01-01T00:01:00Z to 1970-01-01T00:03:00Z, "
		early = "; closes when the watermark is at 1970-01-01T00:01:01.005Z"
		next  = "; closes when the watermark is at 1970-01-01T00:02:01.005Z"
		third = "; closes when the watermark is at 1970-01-01T00:03:01.005Z"
	)
	for key, want := range map[string][]string{
		"a,null": {
			m1 + `g "a", h null: n 1, total 1.50, least "x", seen ["x"]` + early,
			p0 + `g "a", h null: n 2, total 2.00, least "w", seen ["x","w"]` + next,
			p1 + `g "a", h null: n 1, total 0.5, least "w", seen ["w"]` + third,
		},
		"1970-01-01T00:00:59.999Z": {
			m1 + `g "a", h 7: n 1, total 3, least "y", seen ["y"]` + early,
			m1 + `g "a", h null: n 1, total 1.50, least "x", seen ["x"]` + early,
			p0 + `g "a", h 7: n 1, total 3, least "y", seen ["y"]` + next,
			p0 + `g "a", h null: n 2, total 2.00, least "w", seen ["x","w"]` + next,
		},
		"1970-01-01 00:02:30": {p1 + `g "a", h null: n 1, total 0.5, least "w", seen ["w"]` + third},
		"1970-01-01 00:03:00": nil,
		"a":                   nil,
		"":                    nil,
	} {
		got, err := w.Inspect(key, 0)
		slices.Sort(want)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", key, err, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	driver.Advance(event.Time(2*event.Minute + event.Second + 5))
	if got, _ := w.Inspect("a,null", 0); len(got) != 1 {
		t.Errorf("closed windows are told: %q", got)
	}

	plain := New(Config{Label: "w", Size: event.Minute, Slide: event.Minute, Aggregates: []Aggregate{{Name: "n", Kind: Count}}}, state.NewMemory())
	if _, err := plain.Inspect("a", 0); err == nil {
		t.Error("no error for a group where there are none")
	}
}
