package window

import (
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/tidemark-streams/tidemark/plugins/internal/linttest"
)

func TestLint(t *testing.T) {
	linttest.Lint(t, map[string]string{
		"window: { size: 1m, aggregates: { n: { count: {} } } }":                                                                                               "",
		"window: { size: 1m, slide: 1m, aggregates: { n: { count: {} } } }":                                                                                    "slide: tumbling windows have none; want type hopping",
		"window: { type: hopping, size: 1m, slide: 45s, aggregates: { n: { count: {} } } }":                                                                    "",
		"window: { size: 1d, offset: 5h, allowed_lateness: 1d, emit: on_close, group_by: [ a ], aggregates: { n: { avg: { field: x, where: '!this.ok' } } } }": "",
		"window: { size: 1m, aggregates: { n: { collect: { field: x, limit: 3, order: value } } } }":                                                           "",
		"window: { aggregates: { n: { count: {} } } }":                                                                                                         "field size is required",
		"window: { size: soon, aggregates: { n: { count: {} } } }":                                                                                             `"soon" is not a duration`,
		"window: { size: 0s, aggregates: { n: { count: {} } } }":                                                                                               "size: must be longer than 0",
		"window: { size: 1m, slide: 30s, aggregates: { n: { count: {} } } }":                                                                                   "slide: tumbling windows have none; want type hopping",
		"window: { type: hopping, size: 1m, aggregates: { n: { count: {} } } }":                                                                                "slide: hopping windows need it",
		"window: { type: hopping, size: 1m, slide: 0d, aggregates: { n: { count: {} } } }":                                                                     "slide: must be longer than 0",
		"window: { type: session, size: 1m, aggregates: { n: { count: {} } } }":                                                                                "value session is not a valid option",
		"window: { size: 1m, emit: never, aggregates: { n: { count: {} } } }":                                                                                  "value never is not a valid option",
		"window: { size: 1m, allowed_lateness: -1s, aggregates: { n: { count: {} } } }":                                                                        "negative",
		"window: { size: 1m }":                                                            "aggregates: needs at least one",
		"window: { size: 1m, aggregates: { n: {} } }":                                     "aggregates.n: want exactly one kind of aggregate",
		"window: { size: 1m, aggregates: { n: { count: {}, sum: { field: x } } } }":       "aggregates.n: want exactly one kind of aggregate",
		"window: { size: 1m, aggregates: { n: { total: {} } } }":                          "field total not recognised",
		"window: { size: 1m, aggregates: { n: { sum: {} } } }":                            "field field is required",
		"window: { size: 1m, aggregates: { n: { count: { where: 'this.price >' } } } }":   `condition "this.price >": at character 13`,
		"window: { size: 1m, aggregates: { n: { collect: { field: x, limit: 0 } } } }":    "limit: must be at least 1",
		"window: { size: 1m, aggregates: { n: { collect: { field: x, order: size } } } }": "value size is not a valid option",
		"window: { size: 1m, aggregates: { window_end: { count: {} } } }":                 "aggregates.window_end: the name is taken",
		"window: { size: 1m, group_by: [ a ], aggregates: { a: { count: {} } } }":         "aggregates.a: the name is taken",
		"window: { size: 1m, group_by: [ closes_at ], aggregates: { n: { count: {} } } }": `group_by.0: the name "closes_at" is taken`,
		"window: { size: 1m, group_by: [ a, a ], aggregates: { n: { count: {} } } }":      `group_by.1: the name "a" is taken`,
		"window: { size: 1m, aggregates: {} }":                                            "aggregates: needs at least one",
		"window: { size: 1m, figures: { n: { count: {} } } }":                             "field figures not recognised",
	})
}

func TestOutsideAStatefulInput(t *testing.T) {
	linttest.Refused(t, "window", "window: { size: 1m, aggregates: { n: { count: {} } } }")
}
