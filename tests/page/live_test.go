package page

import (
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// all is all the time there is.
func all() span { return span{time.Unix(0, 0), time.Unix(1<<36, 0)} }

// unmoved makes sure that a page has not been loaded again, by what it would lose.
func (v *view) unmoved() (check func()) {
	v.Helper()
	kit.Eval[bool](v.Tab, "window.mark = 'still here'; true")
	loads := v.Loads()
	return func() {
		v.Helper()
		if mark := kit.Eval[string](v.Tab, "String(window.mark)"); mark != "still here" {
			v.Errorf("the page was loaded again: %q", mark)
		}
		if n := kit.Eval[int](v.Tab, "performance.getEntriesByType('navigation').length"); n != 1 || v.Loads() != loads {
			v.Errorf("navigated %d times, loaded %d times more", n, v.Loads()-loads)
		}
	}
}

// moves makes sure that the figures follow orders that arrive, without a load.
func (v *view) moves(arrive func()) {
	v.Helper()
	unmoved := v.unmoved()
	before := v.figures()
	arrive()
	kit.Eventually(v, attention, func() (bool, string) {
		now := v.figures()
		diff := differences(v.server.sales(all()), now)
		for _, name := range []string{"funnel.orders", "gmv.total", "payments.value"} {
			if now[name] == before[name] {
				diff = append(diff, name+" has not changed: "+before[name])
			}
		}
		return len(diff) == 0, strings.Join(diff, "\n")
	})
	unmoved()
}

// goesOn: events that come while the page is open change its figures.
func (s *server) goesOn(t *testing.T, arrive func()) {
	v := s.open(t, "#sales?range=all")
	v.moves(arrive)
}

// unreachable are the troubles of a browser whose server is away.
func (s *server) unreachable(trouble string) bool {
	if !strings.Contains(trouble, "http://"+s.address) {
		return false
	}
	for _, reason := range []string{"CONNECTION_REFUSED", "CONNECTION_RESET", "INCOMPLETE_CHUNKED_ENCODING", "EMPTY_RESPONSE"} {
		if strings.Contains(trouble, "net::ERR_"+reason) {
			return true
		}
	}
	return false
}

// comesBack: a page whose server was killed says so, and goes on when it is there again.
func (s *server) comesBack(t *testing.T, arrive func()) {
	v := s.open(t, "#sales?range=all")
	v.tolerates = s.unreachable
	unmoved := v.unmoved()
	s.kill()
	v.awaitConnection("lost")
	v.says("server does not answer")
	s.start()
	v.awaitConnection("live")
	unmoved()
	v.moves(arrive)
}

// tellsOfPostgres: a page whose database is away says so, and goes on.
func (s *server) tellsOfPostgres(t *testing.T, arrive func()) {
	v := s.open(t, "#sales?range=all")
	before := v.figures()
	unmoved := v.unmoved()
	s.pg.Stop(t)
	started := false
	defer func() {
		if !started {
			s.pg.Start(t)
		}
	}()
	v.awaitConnection("lost")
	v.says("Postgres")
	if diff := differences(before, v.figures()); len(diff) > 0 {
		t.Errorf("the last figures are gone: %q", diff)
	}
	s.pg.Start(t)
	started = true
	v.awaitConnection("live")
	unmoved()
	v.moves(arrive)
}

// tellsOfKafka: without Kafka the page of the streams says so, and goes on.
func (s *server) tellsOfKafka(t *testing.T, arrive func()) {
	v := s.open(t, "#streams")
	unmoved := v.unmoved()
	s.kafka.Stop(t)
	v.shows(func() figures { return figures{"kafka.reachable": "false"} })
	v.says("Kafka")
	s.kafka.Start(t)
	v.shows(func() figures { return figures{"kafka.reachable": "true"} })
	v.awaitConnection("live")
	unmoved()
	v.ask("range=all")
	v.moves(arrive)
}

// says waits until a notice that one sees holds a text.
func (v *view) says(text string) {
	v.Helper()
	const notices = `[...document.querySelectorAll('[data-notice], [role=alert]')].filter(e => e.getClientRects().length).map(e => e.innerText).join('\n')`
	kit.Eventually(v, attention, func() (bool, string) {
		shown := kit.Eval[string](v.Tab, notices)
		return strings.Contains(shown, text), "the page says: " + shown
	})
}
