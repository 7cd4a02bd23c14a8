package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// serve serves the page; a Kafka that is away is none of the business of sales.
func serve(t *testing.T, dsn, address string, more ...string) *kit.Process {
	t.Helper()
	return kit.Start(t, kit.Command{
		Args: append([]string{"serve", "--address", address}, more...),
		Env:  []string{"POSTGRES_DSN=" + dsn, "KAFKA_BROKERS=" + kit.FreeAddress(t)},
	})
}

// said waits until a process has said something.
func said(t *testing.T, p *kit.Process, what string) {
	t.Helper()
	kit.Eventually(t, time.Minute, func() (bool, string) { return strings.Contains(p.Output(), what), "no " + what + " in\n" + p.Output() })
}

// events are the names and data of a stream of events, until it ends.
func events(t *testing.T, url string) <-chan string {
	t.Helper()
	got, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = got.Body.Close() })
	all := make(chan string, 1000)
	go func() {
		defer close(all)
		lines := bufio.NewReader(got.Body)
		name := ""
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if n, ok := strings.CutPrefix(line, "event: "); ok {
				name = strings.TrimSpace(n)
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				all <- name + " " + strings.TrimSpace(data)
			}
		}
	}()
	return all
}

// next waits for an event that holds what.
func next(t *testing.T, all <-chan string, what string) {
	t.Helper()
	limit := time.After(time.Minute)
	last := "none"
	for {
		select {
		case event, ok := <-all:
			if !ok {
				t.Fatalf("the events end before %s; the last was %s", what, last)
			}
			if strings.Contains(event, what) {
				return
			}
			last = event
		case <-limit:
			t.Fatalf("no event %s; the last was %s", what, last)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	got, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(body)
}

// A page outlives its database, and ends at once when it is told to.
func TestServe(t *testing.T) {
	db := kit.Postgres(t)
	db.Stop(t)
	address := kit.FreeAddress(t)
	site := "http://" + address
	p := serve(t, db.DSN, address)
	said(t, p, "serve: the page is at "+site+"\n")
	said(t, p, "serve: sales cannot be read: Postgres at ")
	sales := events(t, site+"/events/sales?range=all")
	next(t, sales, `trouble {"message":"Postgres at `)
	if code, body := get(t, site+"/healthz"); code != 503 || !strings.Contains(body, "not reachable") {
		t.Error(code, body)
	}

	db.Start(t)
	next(t, sales, "tidemark db migrate")
	if _, err := pg.Migrate(t.Context(), db.DB); err != nil {
		t.Fatal(err)
	}
	next(t, sales, `"data_time":null`)
	if code, body := get(t, site+"/healthz"); code != 200 {
		t.Error(code, body)
	}
	const row = `insert into gmv_windows (stream, task, window_start, window_end, closes_at, item_revenue, freight)
		values ('g', 0, '2018-01-01 10:00Z', '2018-01-01 10:01Z', '2018-01-01 10:03Z', 10.05, 1.20)`
	if _, err := db.DB.Exec(row); err != nil {
		t.Fatal(err)
	}
	next(t, sales, `"total":"11.25"`)
	if code, body := get(t, site+"/"); code != 200 || !strings.Contains(body, "<html") {
		t.Error(code, body)
	}
	if code, body := get(t, site+"/api/sales?range=8d"); code != 400 || !strings.HasPrefix(body, `{"error":"`) {
		t.Error(code, body)
	}

	db.Stop(t)
	next(t, sales, "trouble")
	db.Start(t)
	next(t, sales, `"total":"11.25"`)
	said(t, p, "serve: sales can be read again")

	r := kit.Run(t, kit.Command{Args: []string{"serve", "--address", address}, Env: []string{"POSTGRES_DSN=" + db.DSN}}, time.Minute)
	if r.Code != 1 || strings.TrimSpace(r.Output()) != "serve: "+address+" is taken by another process: choose another one with --address" {
		t.Errorf("on a port that is taken: %d, %q", r.Code, r.Output())
	}

	p.Signal(t, syscall.SIGINT)
	if r := p.Wait(t, 10*time.Second); r.Code != 0 {
		t.Errorf("interrupted, it exits with %d: %s", r.Code, r.Output())
	}
	for range sales { // to its end
	}
}

func TestServeBeyondThisMachine(t *testing.T) {
	db := kit.Postgres(t)
	if _, err := pg.Migrate(t.Context(), db.DB); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(kit.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	p := serve(t, db.DSN, "0.0.0.0:"+port)
	said(t, p, "warning: the page has no login")
	said(t, p, "the page is at http://localhost:"+port+"\n")
	ask, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	ask.Host = "shop.example"
	got, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	if got.StatusCode != 200 {
		t.Errorf("under another name: %s", got.Status)
	}
	p.Signal(t, syscall.SIGTERM)
	if r := p.Wait(t, 10*time.Second); r.Code != 0 {
		t.Errorf("terminated, it exits with %d", r.Code)
	}
}

func TestServeRefuses(t *testing.T) {
	for _, c := range []struct{ want, address, dsn string }{
		{"host:port", "4040", "postgres://u:s3cret@localhost/d"},
		{"connection string", "localhost:0", "postgres://u:s3%cret@localhost/d"},
		{"--address", "nowhere.invalid:4040", "postgres://u:s3cret@localhost/d"},
	} {
		r := kit.Run(t, kit.Command{Args: []string{"serve", "--address", c.address, "--dsn", c.dsn}}, time.Minute)
		line := strings.TrimSpace(r.Output())
		if r.Code != 1 || !strings.Contains(line, c.want) || strings.Contains(line, "\n") || strings.Contains(line, "s3") {
			t.Errorf("%s %s: %d, %q", c.address, c.dsn, r.Code, line)
		}
	}
}
