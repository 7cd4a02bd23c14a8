package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const withoutKafka = "examples/olist_without_kafka.yaml"

// newDatabase is a pipeline that has no broker.
func newDatabase(t testing.TB, env ...string) *pipeline {
	t.Helper()
	p := &pipeline{TB: t, pg: kit.Postgres(t)}
	p.env = append(env, "POSTGRES_DSN="+p.pg.DSN, "TIDEMARK_STATE_DIR="+t.TempDir(), "TIDEMARK_HTTP_ADDRESS=127.0.0.1:0")
	p.run("db", "migrate")
	return p
}

// The files make the same rows without Kafka, and a second read changes nothing.
func TestFilesWithoutKafka(t *testing.T) {
	dir := dataset(t)
	want := wanted(t, dir, 0)
	for _, tasks := range []int{1, 3} {
		t.Run(fmt.Sprintf("tasks=%d", tasks), func(t *testing.T) {
			p := newDatabase(t, "TIDEMARK_DATASET_DIR="+dir, fmt.Sprintf("TIDEMARK_TASKS=%d", tasks))
			stream := edited(t, withoutKafka, "# The Olist", "http: { enabled: false }\n# The Olist")
			for range 2 {
				p.run("run", stream)
				p.expect(want)
			}
			p.env = append(p.env, fmt.Sprintf("TIDEMARK_TASKS=%d", tasks+1))
			p.refused(p.command("run", stream), fmt.Sprintf("was written with %d tasks", tasks), "tidemark state reset")
		})
	}
}

// Clients post events and repeat every post that was not answered with success, while
// the process is killed again and again: at random moments, and in between by itself when
// it has committed and not yet acknowledged.
func TestPostsSurviveKills(t *testing.T) {
	const kills = 12
	events, _ := read(t, dataset(t), 1500)
	p := newDatabase(t)
	address := kit.FreeAddress(t)
	stream := posted(t, address)
	server := p.start("run", stream)
	suicidal := p.command("run", stream)
	suicidal.Path = kit.TaggedBinary(t, "chaos")

	client := poster{url: "http://" + address + "/events", events: events}
	posting, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range postsAtOnce {
		clients.Go(func() { client.run(posting) })
	}
	defer func() {
		stop()
		clients.Wait()
	}()
	dice := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for k := range kills {
		// Somewhere on the way to the next share of the events.
		client.await(t, server, (k+1)*len(events)/(kills+2)+dice.IntN(50))
		time.Sleep(time.Duration(dice.IntN(100)) * time.Millisecond)
		server.Signal(t, syscall.SIGKILL)
		server.Wait(t, patience)
		c := suicidal
		c.Env = append(slices.Clone(c.Env), fmt.Sprintf("TIDEMARK_FAILPOINT=before_ack:%d", 1+dice.IntN(12)))
		kit.Start(t, c).Wait(t, patience)
		server = p.start("run", stream)
	}
	client.await(t, server, len(events))
	t.Logf("%d events took %d posts", len(events), client.posts.Load())
	if int(client.posts.Load()) <= len(events) {
		t.Error("no post had to be repeated: nothing was killed in the middle")
	}

	// One event that belongs to no stream lets time pass, so that all is final.
	last := golden.Event{Kind: golden.Order, ID: "the last", OrderID: "none", Time: time.Now()}
	client.post(t.Context(), fields{"event_id": last.ID, "order_id": last.OrderID, "event_time": last.Time.Format(time.RFC3339Nano), "topic": "none"})
	want := golden.Compute(events, golden.Defaults())
	kit.Eventually(t, patience, func() (bool, string) {
		diff := golden.Diff(want, p.rows())
		return len(diff) == 0, summary(diff)
	})
	p.interrupt(server)
	p.expect(want)
}

// postsAtOnce is how many posts wait for their answers at a time; no event is posted
// before all that come so many earlier are answered.
const postsAtOnce = 32

// posted is the stream of the files with a web server in place of the files.
func posted(t testing.TB, address string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kit.Root(t), "streams", withoutKafka))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), "    input:\n      olist_csv:\n")
	_, after, found := strings.Cut(rest, "    tasks:")
	if !ok || !found {
		t.Fatalf("%s has no inner input before its tasks", withoutKafka)
	}
	after = strings.Replace(after, "max_out_of_orderness: 2m", "max_out_of_orderness: 365d", 1) // the first orders lie months apart
	path := filepath.Join(t.TempDir(), "posted.yaml")
	config := "http: { enabled: false }\n" + before + "    input: { http_server: { address: '" + address + "', path: /events, timeout: 30s } }\n" +
		"    topic: ${! this.topic }\n    key: this.order_id\n    event_time: this.event_time\n    commit_interval: 20ms\n    tasks:" + after
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// poster posts events in their order.
type poster struct {
	url      string
	events   []golden.Event
	mu       sync.Mutex
	next     int
	done     []bool // by event: it is answered
	low      int    // all before it are answered
	answered atomic.Int64
	posts    atomic.Int64
}

// take is the next event that may be posted; -1 where all are.
func (c *poster) take() (i int, wait bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make([]bool, len(c.events))
	}
	switch {
	case c.next == len(c.events):
		return -1, false
	case c.next >= c.low+postsAtOnce:
		return -1, true
	}
	c.next++
	return c.next - 1, false
}

func (c *poster) finish(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[i] = true
	for c.low < len(c.events) && c.done[c.low] {
		c.low++
	}
	c.answered.Add(1)
}

func (c *poster) run(ctx context.Context) {
	for ctx.Err() == nil {
		i, wait := c.take()
		switch {
		case wait:
			time.Sleep(time.Millisecond)
		case i < 0:
			return
		default:
			if c.post(ctx, asJSON(c.events[i])) {
				c.finish(i)
			}
		}
	}
}

// post posts an event until the answer is 200, or ctx ends.
func (c *poster) post(ctx context.Context, event fields) bool {
	body, err := json.Marshal(event)
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	for ctx.Err() == nil {
		c.posts.Add(1)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return false
}

// await waits until so many events are answered.
func (c *poster) await(t testing.TB, server *kit.Process, n int) {
	t.Helper()
	n = min(n, len(c.events))
	kit.Eventually(t, patience, func() (bool, string) {
		if !server.Running() {
			t.Fatalf("the server has ended\n%s", server.Output())
		}
		return int(c.answered.Load()) >= n, fmt.Sprintf("%d of %d events are answered", c.answered.Load(), n)
	})
}

// asJSON is an event as a client writes it.
func asJSON(e golden.Event) fields {
	cents := func(n int64) json.Number { return json.Number(fmt.Sprintf("%d.%02d", n/100, n%100)) }
	f := fields{
		"event_id": fmt.Sprintf("%s/%s/%d", e.Kind, e.OrderID, e.N), "topic": e.Kind.String(),
		"event_time": e.Time.Format(time.RFC3339Nano), "order_id": e.OrderID,
	}
	switch e.Kind {
	case golden.Order:
		f["customer_id"], f["order_status"] = e.Customer, e.Status
	case golden.Item:
		f["price"], f["freight_value"] = cents(e.Price), cents(e.Freight)
	case golden.Payment:
		f["payment_type"], f["payment_installments"], f["payment_value"] = e.Type, e.Installments, cents(e.Value)
		f["payment_status"] = map[bool]string{true: "approved", false: "unapproved"}[e.Approved]
	}
	return f
}
