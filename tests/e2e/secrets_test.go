package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// The secrets, each with characters that are percent-encoded in a URL.
const (
	pgSecret       = "pg-S3cret/p@ss w&rd"
	pgWrong        = "pg-wr0ng/p@ss w&rd"
	registrySecret = "registry-S3cret/p@ss"
	hookToken      = "hook-T0ken-4711"
	hookKey        = "hook-k3y&4711"
	managerSecret  = "manager-S3cret/p@ss"
)

// secretive keeps everything that is written, to search it for secrets.
type secretive struct {
	*pipeline
	written map[string]string // by where it was written
}

func (s *secretive) keep(where, text string) {
	s.written[fmt.Sprintf("%d. %s", len(s.written)+1, where)] = text
}

// leaks are the places where a secret stands, in whichever form.
func (s *secretive) leaks() (found []string) {
	for where, text := range s.written {
		for _, secret := range []string{pgSecret, pgWrong, registrySecret, hookToken, hookKey, managerSecret} {
			inJSON, err := json.Marshal(secret)
			if err != nil {
				s.Fatal(err)
			}
			for _, form := range []string{
				secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()[1:],
				string(inJSON[1 : len(inJSON)-1]), fmt.Sprintf("%q", secret),
			} {
				if at := strings.Index(text, form); at >= 0 {
					found = append(found, fmt.Sprintf("%s: %q in …%s…", where, form, text[max(0, at-200):min(len(text), at+len(form)+80)]))
					break
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// with is a command with other values of variables, at level DEBUG.
func (s *secretive) with(env []string, args ...string) kit.Command {
	c := s.command(args...)
	c.Env = append(append(slices.Clone(c.Env), "TIDEMARK_LOG_LEVEL=DEBUG"), env...)
	return c
}

// ends runs a command to its end.
func (s *secretive) ends(code int, env []string, args ...string) {
	s.Helper()
	r := kit.Run(s, s.with(env, args...), patience)
	if r.Code != code {
		s.Errorf("%v: exit code %d, want %d", args, r.Code, code)
	}
	s.keep(strings.Join(args, " "), r.Output())
}

// until runs a command until it has written a text, and stops it.
func (s *secretive) until(text string, env []string, args ...string) {
	s.Helper()
	p := kit.Start(s, s.with(env, args...))
	s.says(p, text)
	s.arguments(p)
	p.Signal(s, syscall.SIGTERM)
	r := p.Wait(s, patience)
	s.keep(strings.Join(args, " ")+" until "+text, r.Output())
}

func (s *secretive) says(p *kit.Process, text string) {
	s.Helper()
	kit.Eventually(s, patience, func() (bool, string) {
		return strings.Contains(p.Output(), text), "no line says " + text
	})
}

// arguments keeps what every user of the machine can read of a process.
func (s *secretive) arguments(p *kit.Process) {
	s.Helper()
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID())); err == nil {
		s.keep("arguments", string(text))
	}
}

func (s *secretive) get(address, path string) {
	s.Helper()
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		s.Error(err)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.Errorf("GET %s: %s, %v", path, resp.Status, err)
	}
	s.keep("GET "+path, string(text))
}

// refusing is an HTTP server that answers everything with a status and what it was asked,
// as servers do in their errors.
func refusing(t testing.TB, status int) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", status)
	})}
	go func() { _ = server.Serve(l) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// No command writes a secret, whatever befalls the servers that it is for.
func TestSecrets(t *testing.T) {
	s := &secretive{newPipeline(t, 2), map[string]string{}}
	if _, err := s.pg.DB.ExecContext(t.Context(), `
		drop role if exists secret_keeper;
		create role secret_keeper login superuser password '`+pgSecret+`';
		update alert_rules set threshold = 0`); err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(s.pg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	dsn := func(host, password string) string {
		u := *server
		u.Host, u.User = host, url.UserPassword("secret_keeper", password)
		return "POSTGRES_DSN=" + u.String()
	}
	pairs := func(port, password string) string {
		return fmt.Sprintf("POSTGRES_DSN=host=%s port=%s user=secret_keeper password='%s' dbname=%s sslmode=disable",
			server.Hostname(), port, password, strings.TrimPrefix(server.Path, "/"))
	}
	registry := func(host string) string {
		return "SCHEMA_REGISTRY_URL=" + (&url.URL{Scheme: "http", User: url.UserPassword("robot", registrySecret), Host: host}).String()
	}
	hooks := func(host string) []string {
		hook := url.URL{
			Scheme: "http", User: url.UserPassword("robot", managerSecret), Host: host,
			Path: "/services/" + hookToken, RawQuery: url.Values{"key": {hookKey}}.Encode(),
		}
		manager := url.URL{Scheme: "http", User: url.UserPassword("robot", managerSecret), Host: host, Path: "/" + hookToken}
		return []string{"TIDEMARK_ALERT_WEBHOOK=" + hook.String(), "TIDEMARK_ALERTMANAGER_URL=" + manager.String()}
	}
	absent := kit.FreeAddress(t)
	_, absentPort, err := net.SplitHostPort(absent)
	if err != nil {
		t.Fatal(err)
	}
	known := kit.NewRegistry(t)
	knownHost := strings.TrimPrefix(known.URL(), "http://")
	const limit = "300"
	s.env = append(s.env, dsn(server.Host, pgSecret), registry(knownHost))
	s.env = append(s.env, hooks(refusing(t, http.StatusForbidden))...)
	produce := produceArgs(withBrokenRows(t, dataset(t), map[string]string{"olist_order_items_dataset.csv": "no order,1\n"}), "--limit", limit)

	s.ends(0, nil, produce...)
	s.until("gives no answer", []string{registry(absent)}, produce...)
	s.ends(1, []string{registry(refusing(t, http.StatusUnauthorized))}, produce...)
	for _, args := range [][]string{
		{"topics", "describe"}, {"db", "migrate"}, {"lint", "./streams/..."}, {"echo", "streams/analytics/gmv.yaml"},
	} {
		s.ends(0, nil, args...)
	}

	// Servers that refuse, and that are away.
	s.ends(1, []string{dsn(server.Host, pgWrong)}, "consume", "--stop-at-end", "--no-console")
	s.ends(1, []string{pairs(server.Port(), pgWrong)}, "consume", "--stop-at-end", "--no-console")
	s.ends(1, []string{"POSTGRES_DSN=postgres://secret_keeper:" + pgWrong + "@h/d"}, "consume", "--stop-at-end")
	s.ends(1, []string{"POSTGRES_DSN=host=h password=" + pgWrong}, "db", "latest")
	s.ends(1, []string{dsn(server.Host, pgWrong)}, "db", "latest")
	s.until("Failed to connect", []string{dsn(absent, pgSecret)}, "consume", "--no-console")
	s.until("Failed to connect", []string{pairs(absentPort, pgSecret)}, "consume", "--no-console")
	s.until("gives no answer", []string{registry(absent)}, "consume", "--no-console")
	s.ends(1, []string{registry(refusing(t, http.StatusUnauthorized))}, "consume", "--no-console", "--stop-at-end")
	s.ends(1, []string{"SCHEMA_REGISTRY_URL=http://robot:" + registrySecret + "@x"}, "consume", "--no-console", "--stop-at-end")

	// A run that is killed while webhook and Alertmanager refuse, and goes on when they are away.
	address := kit.FreeAddress(t)
	for _, env := range [][]string{nil, hooks(absent), {"TIDEMARK_LOG_FORMAT=json"}} {
		p := kit.Start(s, s.with(append(env, "TIDEMARK_HTTP_ADDRESS="+address), "consume"))
		s.says(p, "Failed to send")
		s.await(1, "select count(*) from real_time_funnel")
		for _, path := range []string{"/metrics", "/stats", "/streams", "/ready"} {
			s.get(address, path)
		}
		s.arguments(p)
		p.Signal(t, syscall.SIGKILL)
		p.Wait(t, patience)
		s.keep("consume that is killed", p.Output())
	}
	s.pg.Stop(t)
	p := kit.Start(s, s.with(nil, "consume", "--no-console"))
	<-time.After(3 * time.Second)
	s.pg.Start(t)
	s.says(p, `"Task is running"`)
	p.Signal(t, syscall.SIGTERM)
	s.keep("consume over an outage", p.Wait(t, patience).Output())
	s.ends(0, []string{pairs(server.Port(), pgSecret)}, "consume", "--stop-at-end")
	s.ends(0, []string{"TIDEMARK_LOG_FORMAT=json"}, "consume", "--stop-at-end")
	s.until("Task is running", nil, "streams", "-o", "configs/tidemark.yaml", "streams/analytics/gmv.yaml", "streams/analytics/alerts.yaml")

	for _, args := range [][]string{
		{"db", "latest"}, {"db", "alerts"}, {"state", "list", "--json"},
		{"replay", "--as", "tidemark-gmv-2", "--file", "streams/analytics/gmv.yaml"},
		{"replay", "--yes"}, {"state", "reset", "--yes"},
	} {
		s.ends(0, nil, args...)
	}
	letters, err := s.pg.DB.QueryContext(t.Context(), "select to_jsonb(d)::text from dead_letter_events as d")
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	for letters.Next() {
		var text string
		if err := letters.Scan(&text); err != nil {
			t.Fatal(err)
		}
		s.keep("dead letter", text)
	}
	if err := letters.Err(); err != nil {
		t.Fatal(err)
	}

	for _, leak := range s.leaks() {
		t.Error(leak)
	}
	seen := false
	for _, text := range s.written {
		seen = seen || strings.Contains(text, "Failed to send") && strings.Contains(text, "***")
	}
	if !seen {
		t.Error("no address of a webhook was hidden: the test shows nothing")
	}
}
