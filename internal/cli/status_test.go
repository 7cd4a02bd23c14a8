package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/survey"
)

// statusText is a report as it is printed, with single spaces, and its troubles.
func statusText(t *testing.T, r statusReport) (text string, troubles []string) {
	t.Helper()
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n"), r.troubles()
}

func TestStatusOfStreams(t *testing.T) {
	s := openShop(t)
	s.trade()
	q := statusAsked{brokers: s.cluster.ListenAddrs(), groups: []string{"nonesuch", "shop"}, topics: []string{"items", "orders"}, dsn: "host=127.0.0.1 port=1 dbname=x"}
	ask := func(want ...string) []string {
		t.Helper()
		text, troubles := statusText(t, q.ask(t.Context()))
		for _, line := range want {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("%q is not in\n%s", line, text)
			}
		}
		return troubles
	}
	ask("nonesuch - - - has not run", "shop - - - has not run")
	s.consume()
	s.produce(item("late", 1, 26), item("late", 2, 26))
	ask("Kafka "+strings.Join(q.brokers, ",")+" 2 of 2 topics; brokers: 1", "shop 2 0 2 2026-01-05T12:23:00Z", "Postgres 127.0.0.1:1/x not reachable")

	q.topics = append(q.topics, "parcels", "returns")
	troubles := ask("Kafka " + strings.Join(q.brokers, ",") + " 2 of 4 topics; brokers: 1")
	if len(troubles) != 2 || !strings.Contains(troubles[0], "has no topics parcels, returns: create them") || !strings.HasPrefix(troubles[1], "Postgres at 127.0.0.1:1/x: not reachable") {
		t.Errorf("%q", troubles)
	}
}

// Tasks add up; a task that has seen nothing has no watermark that could hold others back.
func TestStatusSumsUp(t *testing.T) {
	got := streamStatus{stream: "s"}
	sumUp(&got, survey.Stream{Exists: true, Tasks: []survey.Task{
		{Lag: new(int64(3)), Watermark: new("2018-08-21T22:00:00.5Z"), Owner: &survey.Owner{}},
		{Lag: new(int64(4)), Watermark: new("2018-08-21T22:00:00Z"), Owner: &survey.Owner{}},
		{},
	}})
	if want := (streamStatus{stream: "s", tasks: "3", owned: "2", lag: "7", watermark: "2018-08-21T22:00:00Z"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Servers that take a connection and say nothing are not waited for.
func TestStatusOfServersThatHang(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	q := statusAsked{
		brokers: []string{address}, groups: []string{"shop"}, topics: []string{"orders"},
		dsn: "postgres://reader:secret@" + address + "/x?sslmode=disable", registries: []string{"http://me:secret@" + address},
		pages: []webPage{{"page", "http://" + address, "/", "tidemark serve"}, {"other", "http://" + address, "/", ""}},
	}
	text, troubles := statusText(t, q.ask(t.Context()))
	want := "server address state\nKafka ADDRESS not reachable\nPostgres ADDRESS/x not reachable\nSchema registry http://me:xxxxx@ADDRESS not reachable\n\n" +
		"stream tasks running lag watermark\nshop - - - -\n\nto open address state\npage http://ADDRESS not running: tidemark serve\n"
	if got := strings.ReplaceAll(text, address, "ADDRESS"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(troubles) != 3 { // of the stream nothing is said that the line of Kafka does not
		t.Errorf("%q", troubles)
	}
	for _, line := range troubles {
		if strings.Contains(line, "\n") || strings.Contains(line, "secret") {
			t.Errorf("%q", line)
		}
	}
}

func TestStatusOfPages(t *testing.T) {
	well := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/healthz":
			w.WriteHeader(http.StatusNotFound)
		case !well:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "the tables are\nnot there")
		}
	}))
	defer server.Close()
	ask := func(p webPage) pageStatus { return p.status(context.Background()) }
	page := webPage{"page", server.URL, "/healthz", "tidemark serve"}
	if got := ask(page); !got.shown || got.state != "answers" {
		t.Errorf("%+v", got)
	}
	well = false
	if got := ask(page); !got.shown || got.state != "503 Service Unavailable: the tables are not there" {
		t.Errorf("%+v", got)
	}
	// Something else at a port where a part of the stack might be.
	if got := ask(webPage{"Grafana", server.URL, "/api/health", ""}); got.shown {
		t.Errorf("%+v", got)
	}
	server.Close()
	if got := ask(page); !got.shown || got.state != "not running: tidemark serve" {
		t.Errorf("%+v", got)
	}
}
