package page

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// routes are one of each kind, and what they answer.
var routes = map[string]int{
	"/": http.StatusOK, "/api/sales": http.StatusOK, "/api/sales?range=all&bucket=day": http.StatusOK, "/api/streams": http.StatusOK,
	"/events/sales": http.StatusOK, "/events/streams": http.StatusOK, "/healthz": http.StatusOK,
	"/nothing": http.StatusNotFound, "/assets/nothing.js": http.StatusNotFound, "/assets/": http.StatusNotFound,
	"/assets/assets.go": http.StatusNotFound, "/index.html.bak": http.StatusNotFound,
	"/api/sales?range=2h": http.StatusBadRequest, "/api/sales?bucket=week": http.StatusBadRequest,
	"/api/sales?from=x&to=y": http.StatusBadRequest, "/events/sales?range=2h": http.StatusBadRequest,
}

var policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Every answer forbids what the page does not need, and only who asks this machine by
// name is answered: no other site can read it through a browser.
func TestAnswers(t *testing.T) {
	s := newWorld(t).serve()
	all := map[string]int{}
	for path, status := range routes {
		all[path] = status
	}
	index := s.request(http.MethodGet, "/", s.address).body
	for _, asset := range regexp.MustCompile(`(?:src|href)="(/?assets/[^"]+)"`).FindAllStringSubmatch(index, -1) {
		all["/"+strings.TrimPrefix(asset[1], "/")] = http.StatusOK
	}
	if len(all) < len(routes)+2 {
		t.Errorf("the page has no assets: %s", index)
	}
	for path, status := range all {
		r := s.request(http.MethodGet, path, s.address)
		if r.status != status {
			t.Errorf("%s: %d, want %d: %s", path, r.status, status, r.body)
		}
		for header, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := r.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", path, header, got, want)
			}
		}
		if status == http.StatusBadRequest {
			var says struct{ Error string }
			if err := json.Unmarshal([]byte(r.body), &says); err != nil || says.Error == "" || strings.Contains(says.Error, "\n") {
				t.Errorf("%s: %v: %q", path, err, r.body)
			}
		}
		caching := r.header.Get("Cache-Control")
		switch {
		case strings.HasPrefix(path, "/assets/") && status == http.StatusOK:
			tag := r.header.Get("ETag")
			if caching != "no-cache" || tag == "" {
				t.Errorf("%s: Cache-Control %q, ETag %q", path, caching, tag)
			}
		case strings.HasPrefix(path, "/api/") && caching != "no-store":
			t.Errorf("%s: Cache-Control %q", path, caching)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			if r := s.request(method, path, s.address); r.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, r.status)
			}
		}
		for host, want := range map[string]int{
			"evil.example": http.StatusMisdirectedRequest, "evil.example:" + s.port(): http.StatusMisdirectedRequest,
			"localhost.evil.example": http.StatusMisdirectedRequest, "192.168.0.1:" + s.port(): http.StatusMisdirectedRequest,
			"localhost:" + s.port(): status, "[::1]:" + s.port(): status,
		} {
			if r := s.request(http.MethodGet, path, host); r.status != want {
				t.Errorf("%s of %s: %d, want %d", path, host, r.status, want)
			}
		}
	}
}

// The page can write nothing: not even a view that is made to write when it is read.
func TestWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table touched (at timestamptz default now())`)
	w.exec(`create function touch() returns boolean language plpgsql volatile as $$ begin insert into touched default values; return true; end $$`)
	w.exec(`insert into gmv_windows (stream, task, window_start, window_end, closes_at) values ('s', 0, '2018-01-01', '2018-01-01 00:01', '2018-01-01 00:01')`)
	w.exec(`insert into tidemark_tasks (stream, task, generation) values ('s', 0, 1)`)
	s := w.serve()
	for _, table := range []string{"funnel_windows", "gmv_windows", "drop_off_windows", "payment_windows", "tidemark_tasks", "dead_letter_events", "gmv_forecast", "drop_off_alerts"} {
		w.exec(`alter table ` + table + ` rename to ` + table + `_kept`)
		w.exec(`create view ` + table + ` as select * from ` + table + `_kept where touch()`)
	}
	for _, view := range []string{"real_time_funnel", "gmv_metrics", "drop_off_analysis", "payment_metrics", "v_open_alerts"} {
		w.exec(`alter view ` + view + ` rename to ` + view + `_kept`)
		w.exec(`create view ` + view + ` as select * from ` + view + `_kept where touch()`)
	}
	w.exec(`do $$ begin
		if exists (select from pg_roles where rolname = 'tidemark_reader') then
			grant select on all tables in schema public to tidemark_reader;
		end if;
	end $$`)
	for _, path := range []string{"/api/sales?range=all", "/api/streams"} {
		r := s.request(http.MethodGet, path, s.address)
		if r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "read-only transaction") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	// The trap works: who may write does.
	w.rows("select * from gmv_windows")
	if n := w.row("select count(*) as n from touched")["n"]; n != "1" {
		t.Errorf("written %s times, want once", n)
	}
}
