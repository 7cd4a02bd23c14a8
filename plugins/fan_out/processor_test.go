package fanout

import (
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/tidemark-streams/tidemark/plugins/internal/linttest"
)

func TestLint(t *testing.T) {
	linttest.Lint(t, map[string]string{
		"fan_out: [ { processors: [ { dedup: { key: id, ttl: 7d } } ] }, { processors: [] } ]": "",
		"fan_out: []": "needs at least one branch",
		"fan_out: {}": "expected array value",
		"fan_out: [ [ { dedup: { key: id, ttl: 7d } } ] ]":                "expected object value",
		"fan_out: [ { processor: [] } ]":                                  "field processor not recognised",
		"fan_out: [ { processors: [ { dedup: { key: id, ttl: x } } ] } ]": `"x" is not a duration`,
		"fan_out: [ { processors: [ { dedup: { key: id } } ] } ]":         "field ttl is required",
	})
}

func TestOutsideAStatefulInput(t *testing.T) {
	linttest.Refused(t, "fan_out", "fan_out: [ { processors: [ { dedup: { key: id, ttl: 7d } } ] } ]")
}
