package window

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Inspect tells the open panes of a key with their figures as they stand. A key is a time,
// which stands for the windows that contain it, or a group: its value, or its values in
// their order with commas between them. What is both is taken for both.
func (w *Window) Inspect(key string, _ event.Time) ([]string, error) {
	t, isTime := parseTime(key)
	if !isTime && len(w.group) == 0 {
		return nil, errors.New("windows without group_by are found by a time, such as 2017-10-02T10:00:00Z or \"2017-10-02 10:00:00\", in UTC")
	}
	var panes []*entry
	for _, b := range w.open.blocks {
		for i := range b.windows {
			o := &b.windows[i]
			at := isTime && o.start <= t && t < o.start.Add(w.cfg.Size)
			for _, e := range o.panes {
				if at || len(w.group) > 0 && groupText(e.Value.group) == key {
					panes = append(panes, e)
				}
			}
		}
	}
	slices.SortFunc(panes, byPane)
	lines := make([]string, len(panes))
	for i, e := range panes {
		lines[i] = w.tell(e)
	}
	return lines, nil
}

func (w *Window) tell(e *entry) string {
	var b strings.Builder
	start := e.Key.start
	fmt.Fprintf(&b, "%v to %v", start, start.Add(w.cfg.Size))
	for i, g := range w.cfg.GroupBy {
		fmt.Fprintf(&b, ", %s %s", g, task.Words(e.Value.group[i]))
	}
	separator := ": "
	for i := range w.aggs {
		fmt.Fprintf(&b, "%s%s %s", separator, w.aggs[i].Name, task.Words(e.Value.acc[i].result(&w.aggs[i].Aggregate)))
		separator = ", "
	}
	fmt.Fprintf(&b, "; closes when the watermark is at %v", w.closesAt(start))
	return b.String()
}

// groupText is a group as a user writes it; null is "null".
func groupText(values []event.Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		if texts[i] = v.Key(); v.IsNull() {
			texts[i] = "null"
		}
	}
	return strings.Join(texts, ",")
}

// parseTime reads a time as we and Postgres write it; without a zone it is UTC.
func parseTime(text string) (event.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return event.TimeOf(t), true
		}
	}
	return 0, false
}
