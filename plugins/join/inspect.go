package join

import (
	"fmt"
	"strings"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Inspect tells of the anchor of the key, of the children that have joined it, and of
// those that wait for it.
func (j *Join) Inspect(key string, _ event.Time) ([]string, error) {
	var lines []string
	if e := j.anchors.Find(key); e != nil {
		lines = j.tellAnchor(&e.Value)
	}
	if err := j.anchors.Err(); err != nil {
		return nil, err
	}
	held, _ := j.held.Get(key)
	for i := range held {
		lines = append(lines, j.tellHeld(&held[i]))
	}
	return lines, nil
}

func (j *Join) tellAnchor(a *anchor) []string {
	schema, packed := j.schemas.SplitRow(a.packed[a.row:])
	values := make([]event.Value, len(schema.Fields))
	_ = event.Unpack(packed, values) // it was checked when it was read
	var children []string
	for i, s := range j.cfg.Streams {
		children = append(children, fmt.Sprintf("%s %d", s.Name, a.count(i)))
	}
	source := state.ReadSource(event.NewReader(a.packed[countBytes*len(j.cfg.Streams) : a.row]))
	return []string{
		fmt.Sprintf("anchor at %v, %s", a.time, place(source)),
		"joined so far: " + strings.Join(children, ", "),
		fmt.Sprintf("children join from %v to %v", a.time.Add(-j.cfg.Before), a.time.Add(j.cfg.Within)),
		fmt.Sprintf("closed and forgotten when the watermark is later than %v", a.time.Add(j.cfg.Within).Add(j.delay)),
		"fields: " + fields(schema, values),
	}
}

func (j *Join) tellHeld(c *child) string {
	name := "a stream that the config no longer has"
	if c.stream < len(j.cfg.Streams) {
		name = j.cfg.Streams[c.stream].Name
	}
	return fmt.Sprintf("held: %s at %v, %s, waits for its anchor, an orphan when the watermark is later than %v",
		name, c.row.Time, place(c.row.Source), c.row.Time.Add(j.cfg.Before).Add(j.delay))
}

func place(s *event.Source) string {
	return fmt.Sprintf("%s/%d offset %d", s.Topic, s.Partition, s.Offset)
}

func fields(schema *event.Schema, values []event.Value) string {
	var list []string
	for i, f := range schema.Fields {
		list = append(list, f+" "+task.Words(values[i]))
	}
	return strings.Join(list, ", ")
}

// Colocated marks that anchor and children have the same key, as their records had.
func (j *Join) Colocated() {}
