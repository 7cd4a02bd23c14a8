package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
)

// webPage is something to open in a browser.
type webPage struct {
	name, url string
	health    string // a path that answers 200 where it runs
	start     string // the command that runs it; empty: it is shown where it runs only
}

// webPages are those of a process on this machine, and of the compose stack.
func webPages() []webPage {
	return []webPage{
		{"live page", "http://" + cmp.Or(os.Getenv(pageAddressEnv), defaultPageAddress), "/healthz", "tidemark serve"},
		{"metrics", "http://" + cmp.Or(os.Getenv("TIDEMARK_HTTP_ADDRESS"), defaultHTTPAddress) + "/metrics", "", "tidemark consume"},
		{"Kafka UI", "http://localhost:8090", "/", ""},
		{"Grafana", "http://localhost:3000", "/api/health", ""},
		{"Prometheus", "http://localhost:9090", "/-/healthy", ""},
		{"Alertmanager", "http://localhost:9093", "/-/healthy", ""},
	}
}

// pageStatus is whether a page answers.
type pageStatus struct {
	name, url, state string
	shown            bool
}

func (p webPage) status(ctx context.Context) pageStatus {
	s := pageStatus{name: p.name, url: p.url, state: "answers", shown: true}
	err := get(ctx, p.url+p.health)
	var answer *answerError
	switch {
	case err == nil:
	case errors.As(err, &answer) && p.start != "":
		s.state = err.Error() // it runs, and is not well
	default:
		s.state, s.shown = "not running: "+p.start, p.start != ""
	}
	return s
}
