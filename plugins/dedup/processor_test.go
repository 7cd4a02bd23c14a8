package dedup

import (
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/tidemark-streams/tidemark/plugins/internal/linttest"
)

func TestLint(t *testing.T) {
	linttest.Lint(t, map[string]string{
		"dedup: { key: event_id, ttl: 7d }":             "",
		"dedup: { key: event_id, ttl: 1d12h30m }":       "",
		"dedup: { key: event_id, ttl: '${TTL:90s}' }":   "",
		"dedup: { key: event_id, ttl: 0.5s }":           "",
		"dedup: { key: event_id, ttl: 7x }":             `"7x" is not a duration`,
		"dedup: { key: event_id, ttl: -1s }":            "negative",
		"dedup: { key: event_id, ttl: 1us }":            "finer than a millisecond",
		"dedup: { key: event_id, ttl: 1000000d }":       "too long",
		"dedup: { key: event_id, ttl: 0s }":             "ttl: must be longer than 0",
		"dedup: { key: event_id, ttl: 0h0.0m }":         "ttl: must be longer than 0",
		"dedup: { key: '', ttl: 7d }":                   "key: must name a field",
		"dedup: { ttl: 7d }":                            "field key is required",
		"dedup: { key: event_id }":                      "field ttl is required",
		"dedup: { key: event_id, ttl: 7d, window: 1m }": "field window not recognised",
	})
}

func TestOutsideAStatefulInput(t *testing.T) {
	linttest.Refused(t, "dedup", "dedup: { key: event_id, ttl: 7d }")
}
