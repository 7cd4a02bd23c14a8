package dedup

import (
	"fmt"
	"slices"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Inspect tells when events of the key passed, and until when they are remembered. The
// index names the chunks in which its id may stand.
func (d *Dedup) Inspect(key string, w event.Time) ([]string, error) {
	k := idOf(key)
	var seen []event.Time
	var names []uint32 // each chunk once: an id may stand in it several times
	d.index.Each(k.hash(), func(name uint32) bool {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		return true
	})
	for _, name := range names {
		p := d.places[name]
		e := d.chunks.Find(p)
		if e == nil {
			return nil, d.chunks.Err()
		}
		if err := e.Value.each(func(other id, offset event.Duration) {
			if other == k {
				seen = append(seen, d.start(p.bucket).Add(offset))
			}
		}); err != nil {
			return nil, err
		}
	}
	slices.Sort(seen)
	var lines []string
	for _, t := range seen {
		until := t.Add(d.cfg.TTL).Add(d.delay)
		end := "forgotten when the watermark is later than"
		if until < w {
			end = "forgotten since the watermark is later than" // it is gone with its bucket
		}
		lines = append(lines, fmt.Sprintf("seen at %v, %s %v", t, end, until))
	}
	return lines, nil
}
