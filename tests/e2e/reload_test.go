package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// Changes of the funnel's stream which no row shows.
func funnels(t testing.TB) []string {
	// The state of an operator that an earlier config had added goes with it.
	// Nor does it show that dedup starts afresh now and then: no event comes twice.
	const key = "event_id, ttl: 7d"
	fresh := change(t, shipped(t, "funnel"), key, key+", on_change: reset")
	text := change(t, fresh, "    stop_at_end:", "    drop_state: [ sizes ]\n    stop_at_end:")
	return []string{
		text,
		// An operator of another definition.
		change(t, text, "ttl: 7d", "ttl: 8d"),
		// A mapping between operators.
		change(t, text, "      - label: orders\n", "      - mapping: 'meta seen = \"yes\"'\n      - label: orders\n"),
		// A mapping and a condition before the output.
		change(t, text, "\noutput:\n", "\npipeline:\n  processors:\n    - mapping: 'meta more = \"yes\"'\noutput:\n"),
		// Another output.
		change(t, text, "            table: funnel_windows\n", "            table: funnel_windows\n            max_in_flight: 2\n"),
		// An operator more.
		change(t, fresh,
			"          - processors:\n              - label: drop_off\n",
			"          - processors:\n              - label: sizes\n                window: { size: 10m, aggregates: { n: { count: {} } } }\n          - processors:\n              - label: drop_off\n",
			"      - check: '@tidemark_operator == \"funnel\"'\n",
			"      - check: '@tidemark_operator == \"sizes\"'\n        output: { drop: {} }\n      - check: '@tidemark_operator == \"funnel\"'\n"),
	}
}

// Twenty reloads while the events come, by file and by REST, changed and unchanged: no
// row differs, and the streams beside do not notice.
func TestReloads(t *testing.T) {
	const reloads = 20
	dir := dataset(t)
	p := newPipeline(t, 3)
	want := wanted(t, dir, 0)
	s := newStreamer(p, nil, "funnel", "gmv", "payments", "dead_letters")
	configs := funnels(t)
	producer := p.start(produceArgs(dir, "--speed", "1000000", "--max-gap", "5ms")...)
	p.await(10, counted)
	undisturbed := s.untouched("gmv", "payments")
	for i := range reloads {
		var before int64
		if err := p.pg.DB.QueryRowContext(p.Context(), counted).Scan(&before); err != nil {
			t.Fatal(err)
		}
		p.await(before+20, counted) // windows are open, and change
		generation := s.generation("funnel")
		switch config := configs[i%len(configs)]; i % 3 {
		case 0:
			s.save("funnel", config)
		case 1:
			s.asks(http.MethodPut, "/streams/funnel", config, http.StatusOK, "")
		case 2:
			s.asks(http.MethodPatch, "/streams/funnel", fmt.Sprintf("input: { stateful_kafka: { commit_interval: %dms } }", 500+i), http.StatusOK, "")
		}
		s.awaitGeneration("funnel", generation+1)
	}
	if !producer.Running() {
		t.Error("the producer was done before the last reload")
	}
	undisturbed()
	generation := s.generation("funnel")
	s.asks(http.MethodPut, "/streams/funnel", configs[0], http.StatusOK, "") // its file may say so already
	s.awaitGeneration("funnel", generation+1)
	p.succeeds(producer)
	p.expectLive(want)
	p.interrupt(s.process)
	p.consume()
	p.expect(want)
}
