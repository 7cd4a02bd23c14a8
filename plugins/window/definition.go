package window

import (
	"slices"
	"strconv"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Definition is what panes depend on: where windows lie, which events count in what, and
// when windows close. State takes on that they close sooner than they did. Later is another
// matter: what has closed is forgotten, and an event that came for it after all would make
// a new pane, which would replace the row of the old one.
func (w *Window) Definition() task.Definition {
	c := &w.cfg
	d := task.Definition{{Path: "processor", Text: "window"}, {Path: "size", Text: c.Size.Text()}}
	add := func(path, text string) {
		if text != "" {
			d = append(d, task.Part{Path: path, Text: text})
		}
	}
	if c.Slide != c.Size {
		add("slide", c.Slide.Text())
	}
	if c.Offset != 0 {
		add("offset", c.Offset.Text())
	}
	add("where", c.Where.Canonical())
	for i, g := range c.GroupBy {
		add("group_by."+strconv.Itoa(i), g)
	}
	if slices.ContainsFunc(c.Aggregates, Aggregate.orders) {
		add("event_id", c.ID)
	}
	for i := range c.Aggregates {
		a := &c.Aggregates[i]
		path := "aggregates." + a.Name
		add(path, a.Kind)
		path += "." + a.Kind
		add(path+".field", a.Field)
		add(path+".where", a.Where.Canonical())
		if a.Kind == Collect {
			add(path+".limit", strconv.Itoa(a.Limit))
			if a.Smallest {
				add(path+".order", "value")
			}
		}
	}
	return append(d,
		task.Part{Path: "allowed_lateness", Text: c.AllowedLateness.Text(), Takes: atLeast(c.AllowedLateness)},
		task.Part{Path: "time that operators before it hold events back", Text: w.delay.Text(), Takes: atLeast(w.delay)})
}

// atLeast takes durations that are no shorter than d.
func atLeast(d event.Duration) func(string) bool {
	return func(old string) bool {
		o, err := event.ParseDuration(old)
		return err == nil && o >= d
	}
}
