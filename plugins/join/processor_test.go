package join

import (
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/tidemark-streams/tidemark/plugins/internal/linttest"
)

func TestLint(t *testing.T) {
	linttest.Lint(t, map[string]string{
		"join: { key: id, anchor: a, streams: { x: { topic: b } } }":                                     "",
		"join: { key: id, anchor: a, streams: { x: { topic: b, where: 'this.ok && this.price > 0' } } }": "",
		"join: { key: id, anchor: a, streams: { x: { topic: b } }, before: 0s, within: 0s }":             "",
		"join: { key: '', anchor: a, streams: { x: { topic: b } } }":                                     "key: must name a field",
		"join: { key: id, streams: { x: { topic: b } } }":                                                "field anchor is required",
		"join: { key: id, anchor: '', streams: { x: { topic: b } } }":                                    "anchor: must name a topic",
		"join: { key: id, anchor: a }":                                                                   "streams: needs at least one",
		"join: { key: id, anchor: a, streams: {} }":                                                      "streams: needs at least one",
		"join: { key: id, anchor: a, streams: { x: {} } }":                                               "field topic is required",
		"join: { key: id, anchor: a, streams: { x: { topic: '' } } }":                                    "topic: must name a topic",
		"join: { key: id, anchor: a, streams: { x: { topic: a } } }":                                     `streams.x.topic: "a" is named twice`,
		"join: { key: id, anchor: a, streams: { x: { topic: b }, y: { topic: b } } }":                    `streams.y.topic: "b" is named twice`,
		"join: { key: id, anchor: a, streams: { anchor: { topic: b } } }":                                `streams: the name "anchor" is taken`,
		"join: { key: id, anchor: a, streams: { closed: { topic: b } } }":                                `streams: the name "closed" is taken`,
		"join: { key: id, anchor: a, streams: { x.y: { topic: b } } }":                                   `streams: the name "x.y" has a dot`,
		"join: { key: id, anchor: a, streams: { x: { topic: b, where: 'this.price >' } } }":              `condition "this.price >": at character 13`,
		"join: { key: id, anchor: a, streams: { x: { topic: b } }, within: 1w }":                         `"1w" is not a duration`,
		"join: { key: id, anchor: a, streams: { x: { topic: b } }, before: -1s }":                        "negative",
		"join: { key: id, anchor: a, streams: { x: { topic: b } }, after: 1s }":                          "field after not recognised",
	})
}

func TestOutsideAStatefulInput(t *testing.T) {
	linttest.Refused(t, "join", "join: { key: id, anchor: a, streams: { x: { topic: b } } }")
}
