package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// anew waits until a stream runs anew, and makes sure that it has done so at most so
// many times.
func (s *streamer) anew(name string, most int64, do func()) {
	s.Helper()
	before := s.generation(name)
	do()
	s.awaitGeneration(name, before+1)
	time.Sleep(refresh)
	if now := s.generation(name); now > before+most {
		s.Errorf("%s: generation %d became %d", name, before, now)
	}
	s.awaitActive(name, true)
}

// saved is anew for a file that is replaced.
func (s *streamer) saved(name, text string) {
	s.Helper()
	s.anew(name, 1, func() { s.save(name, text) })
}

// asked is anew for a request to the REST API.
func (s *streamer) asked(method, name, body string) {
	s.Helper()
	s.anew(name, 1, func() { s.asks(method, "/streams/"+name, body, http.StatusOK, "") })
}

// eventful is a small dataset that comes while something else is done.
func (p *pipeline) eventful() (want golden.Tables, end func()) {
	p.Helper()
	const orders = 1200
	producer := p.start(produceArgs(dataset(p), "--limit", fmt.Sprint(orders), "--speed", "1000000", "--max-gap", "10ms")...)
	return wanted(p, dataset(p), orders), func() { p.Helper(); p.succeeds(producer) }
}

// nothing makes sure that something leaves all streams as they are.
func (s *streamer) nothing(do func()) {
	s.Helper()
	undisturbed := s.untouched("gmv", "payments")
	do()
	time.Sleep(refresh)
	undisturbed()
}

// What each kind of change to a watched file does. docs/operations.md says the same.
func TestReloadByFile(t *testing.T) {
	p := newPipeline(t, 3)
	s := newStreamer(p, nil, "gmv", "payments")
	want, end := p.eventful()
	p.await(1, "select count(*) from gmv_windows")
	gmv := shipped(t, "gmv")
	on := func(name string, test func(s *streamer)) {
		t.Run(name, func(t *testing.T) {
			q, r := *p, *s
			q.TB, r.pipeline = t, &q
			test(&r)
		})
	}
	on("Unchanged", func(s *streamer) {
		s.nothing(func() { s.save("gmv", gmv) })
	})
	on("Replaced", func(s *streamer) {
		undisturbed := s.untouched("payments")
		s.saved("gmv", "# replaced\n"+gmv)
		s.says("stream runs anew: its file has changed", "stream=gmv", "gmv.yaml")
		undisturbed()
	})
	on("WrittenInPlace", func(s *streamer) {
		undisturbed := s.untouched("payments")
		s.anew("gmv", 1, func() { s.write("gmv", "# written\n"+gmv) })
		undisturbed()
	})
	on("TwiceFast", func(s *streamer) {
		s.anew("gmv", 2, func() {
			s.save("gmv", "# first\n"+change(s, gmv, "tidemark-gmv\n", "tidemark-gmv\n    commit_interval: 300ms\n"))
			s.save("gmv", "# second\n"+change(s, gmv, "tidemark-gmv\n", "tidemark-gmv\n    commit_interval: 400ms\n"))
		})
		s.asks(http.MethodGet, "/streams/gmv", "", http.StatusOK, `"commit_interval":"400ms"`)
	})
	on("BrokenYAML", func(s *streamer) {
		s.nothing(func() { s.save("gmv", "input: [") })
		s.says("stream is left as it is", "stream=gmv", "gmv.yaml", "yaml")
	})
	on("LintError", func(s *streamer) {
		s.nothing(func() {
			s.save("gmv", change(s, gmv, "size: 1m", "size: 1 minute", "task_key: false", "task_keys: false"))
		})
		s.says("stream is left as it is", "stream=gmv", "has lint errors")
		s.says("gmv.yaml(", `size: \"1 minute\" is not a duration`)
		s.says("gmv.yaml(", "field task_keys not recognised")
	})
	on("Mended", func(s *streamer) { s.saved("gmv", gmv) })
	on("FailsAtConstruction", func(s *streamer) {
		undisturbed := s.untouched("payments")
		s.anew("gmv", 1, func() { s.save("gmv", change(s, gmv, "order_item.avsc", "no_such.avsc")) })
		s.says("stream runs as it did before", "stream=gmv", "gmv.yaml", "no_such.avsc")
		s.asks(http.MethodGet, "/streams/gmv", "", http.StatusOK, "order_item.avsc")
		s.saved("gmv", gmv)
		undisturbed()
	})
	on("RefusedByItsDefinition", func(s *streamer) {
		undisturbed := s.untouched("payments")
		generation := s.generation("gmv")
		s.save("gmv", change(s, gmv, "size: 1m", "size: 5m"))
		s.says("Stream stops", `operator \"gmv\" has state of another definition (size: 1m → 5m)`, "on_change: reset", "tidemark replay")
		s.awaitActive("gmv", false)
		if now := s.generation("gmv"); now != generation {
			s.Errorf("generation %d became %d", generation, now)
		}
		// A begin that was refused leaves a generation out.
		s.anew("gmv", 2, func() { s.save("gmv", gmv) })
		undisturbed()
	})
	on("Removed", func(s *streamer) {
		undisturbed := s.untouched("payments")
		if err := os.Remove(s.path("gmv")); err != nil {
			s.Fatal(err)
		}
		s.says("stream is removed: its file is gone", "stream=gmv", "gmv.yaml")
		if _, there := s.active()["gmv"]; there {
			s.Error("it is there")
		}
		s.saved("gmv", gmv) // it is added again
		undisturbed()
	})
	on("Renamed", func(s *streamer) {
		generation := s.generation("gmv")
		if err := os.Rename(s.path("gmv"), s.path("sales")); err != nil {
			s.Fatal(err)
		}
		kit.Eventually(s, patience, func() (bool, string) {
			active := s.active()
			_, old := active["gmv"]
			return !old && active["sales"], "the stream has the name of its file"
		})
		s.awaitGeneration("gmv", generation+1) // state follows the consumer group
	})
	end()
	p.interrupt(s.process)
	p.consume()
	p.expect(want)
}

// write writes into a stream's config in place.
func (s *streamer) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// What each request to the REST API does. docs/operations.md says the same.
func TestReloadByREST(t *testing.T) {
	p := newPipeline(t, 3)
	s := newStreamer(p, nil, "gmv", "payments")
	want, end := p.eventful()
	p.await(1, "select count(*) from gmv_windows")
	gmv := shipped(t, "gmv")
	on := func(name string, test func(s *streamer)) {
		t.Run(name, func(t *testing.T) {
			q, r := *p, *s
			q.TB, r.pipeline = t, &q
			test(&r)
		})
	}
	const path = "/streams/gmv"
	on("PostOfWhatIsThere", func(s *streamer) {
		s.nothing(func() { s.asks(http.MethodPost, path, gmv, http.StatusBadRequest, "Stream already exists") })
	})
	on("PutWithLintError", func(s *streamer) {
		s.nothing(func() {
			s.asks(http.MethodPut, path, change(s, gmv, "size: 1m", "size: 1 minute"), http.StatusBadRequest, "is not a duration")
		})
	})
	on("PutOfBrokenYAML", func(s *streamer) {
		s.nothing(func() { s.asks(http.MethodPut, path, "input: [", http.StatusBadRequest, "yaml") })
	})
	on("PutOfWhatIsNotThere", func(s *streamer) {
		s.nothing(func() { s.asks(http.MethodPut, "/streams/nobody", gmv, http.StatusNotFound, "Stream not found") })
	})
	on("Put", func(s *streamer) {
		undisturbed := s.untouched("payments")
		s.asked(http.MethodPut, "gmv", gmv)
		undisturbed()
	})
	on("Patch", func(s *streamer) {
		undisturbed := s.untouched("payments")
		s.asked(http.MethodPatch, "gmv", "input: { stateful_kafka: { commit_interval: 300ms } }")
		s.asks(http.MethodGet, path, "", http.StatusOK, `"commit_interval":"300ms"`)
		undisturbed()
	})
	// A patch is not linted: what is wrong with it stops the stream.
	on("PatchThatFails", func(s *streamer) {
		undisturbed := s.untouched("payments")
		s.asks(http.MethodPatch, path, "input: { stateful_kafka: { commit_interval: soon } }", http.StatusBadGateway, "commit_interval")
		if _, there := s.active()["gmv"]; there {
			s.Error("the old stream runs on")
		}
		s.asked(http.MethodPost, "gmv", gmv)
		undisturbed()
	})
	on("RefusedByItsDefinition", func(s *streamer) {
		undisturbed := s.untouched("payments")
		s.asks(http.MethodPut, path, change(s, gmv, "size: 1m", "size: 5m"), http.StatusOK, "")
		s.says(`operator \"gmv\" has state of another definition (size: 1m → 5m)`)
		s.awaitActive("gmv", false)
		// A begin that was refused leaves a generation out.
		s.anew("gmv", 2, func() { s.asks(http.MethodPut, path, gmv, http.StatusOK, "") })
		undisturbed()
	})
	on("Delete", func(s *streamer) {
		undisturbed := s.untouched("payments")
		generation := s.generation("gmv")
		s.asks(http.MethodDelete, path, "", http.StatusOK, "")
		if _, there := s.active()["gmv"]; there {
			s.Error("it is there")
		}
		time.Sleep(refresh) // its file does not bring it back
		if now := s.generation("gmv"); now != generation {
			s.Errorf("generation %d became %d", generation, now)
		}
		s.asked(http.MethodPost, "gmv", gmv)
		undisturbed()
	})
	on("FileAfterREST", func(s *streamer) {
		s.asked(http.MethodPatch, "gmv", "input: { stateful_kafka: { commit_interval: 300ms } }")
		s.saved("gmv", "# another\n"+gmv)
		if _, answer := s.request(http.MethodGet, path, ""); mentions(answer, "commit_interval") {
			s.Error("what REST had changed is still there")
		}
	})
	end()
	p.interrupt(s.process)
	p.consume()
	p.expect(want)
}

// Under `tidemark consume` a stream that is refused for good ends the process, after a
// reload as at the start, and says why in one line.
func TestRefusedReloadOfConsume(t *testing.T) {
	p := newPipeline(t, 3)
	p.produce(dataset(t), "--limit", "300")
	s := &streamer{pipeline: p, dir: t.TempDir(), address: kit.FreeAddress(t)}
	s.save("gmv", shipped(t, "gmv"))
	c := p.command("consume", "--streams", s.dir)
	c.Env = append(c.Env, "TIDEMARK_HTTP_ADDRESS="+s.address)
	s.process = kit.Start(t, c)
	s.awaitGeneration("gmv", 1)
	p.await(1, "select count(*) from gmv_windows")
	time.Sleep(refresh) // there is state
	text := change(t, shipped(t, "gmv"), "size: 1m", "size: 5m", "schema: configs", "schema: "+filepath.Join(kit.Root(t), "configs"))
	s.asks(http.MethodPut, "/streams/gmv", text, http.StatusOK, "")
	r := s.process.Wait(t, patience)
	if r.Code != 1 || !mentions(r.Stderr, "tidemark: stream gmv", "size: 1m → 5m") {
		t.Errorf("exit code %d\n%s", r.Code, r.Stderr)
	}
}
