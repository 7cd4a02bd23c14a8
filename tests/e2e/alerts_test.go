package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// hook is an HTTP server that counts what reaches it.
type hook struct {
	testing.TB
	address string
	read    func(body []byte) ([]string, error) // the events of a request

	mu      sync.Mutex
	server  *http.Server
	failing bool
	refused int
	got     map[string]int
}

// newHook starts one that reads requests in this way.
func newHook(t testing.TB, read func([]byte) ([]string, error)) *hook {
	h := &hook{TB: t, address: kit.FreeAddress(t), read: read, got: map[string]int{}}
	h.start()
	t.Cleanup(h.stop)
	return h
}

func (h *hook) url() string { return "http://" + h.address + "/hook" }

func (h *hook) start() {
	h.Helper()
	l, err := net.Listen("tcp", h.address)
	if err != nil {
		h.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	h.server = server
	go func() { _ = server.Serve(l) }() // until it is closed
}

// stop closes the port and every connection.
func (h *hook) stop() { _ = h.server.Close() }

func (h *hook) fail(failing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = failing
}

// ServeHTTP takes a request, or refuses it.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || h.failing {
		h.refused++
		http.Error(w, "not now", http.StatusInternalServerError)
		return
	}
	events, err := h.read(body)
	if err != nil {
		h.Errorf("%v in %s", err, body)
	}
	for _, e := range events {
		if alert, over := strings.CutPrefix(e, "resolved "); over && h.got["fired "+alert] == 0 {
			h.Errorf("%s before it fired", e)
		}
		h.got[e]++
	}
}

func (h *hook) events() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.got)
}

// alertName names an event of an alert as the oracle does.
func alertName(event, kind, status, start string) (string, error) {
	at, err := time.Parse(time.RFC3339, start)
	return fmt.Sprintf("%s %s %s %s", event, kind, status, at.UTC().Format("01-02 15:04")), err
}

// document is what Kafka and the webhook are sent.
type document struct {
	Event     string   `json:"event"`
	ID        string   `json:"alert_id"`
	Kind      string   `json:"kind"`
	Status    string   `json:"order_status"`
	Start     string   `json:"window_start"`
	Summary   string   `json:"summary"`
	Dropped   int64    `json:"dropped_orders"`
	Limit     float64  `json:"upper_limit"`
	Customers int64    `json:"unique_customers_affected"`
	Samples   []string `json:"sample_order_ids"`
	Resolved  *string  `json:"resolved_at"`
}

func readDocument(body []byte) ([]string, error) {
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	if d.Dropped < 1 || float64(d.Dropped) <= d.Limit || d.Customers < 1 || len(d.Samples) == 0 || (d.Resolved != nil) != (d.Event == "resolved") ||
		!strings.Contains(d.Summary, d.Status) {
		return nil, fmt.Errorf("an alert about nothing")
	}
	name, err := alertName(d.Event, d.Kind, d.Status, d.Start)
	return []string{name}, err
}

// readNotification reads what Alertmanager sends to its receivers.
func readNotification(body []byte) (events []string, err error) {
	var n struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return nil, err
	}
	for _, a := range n.Alerts {
		event := map[string]string{"firing": "fired", "resolved": "resolved"}[a.Status]
		name, err := alertName(event, a.Labels["kind"], a.Labels["order_status"], a.Labels["window_start"])
		if err != nil {
			return nil, err
		}
		events = append(events, name)
	}
	return events, nil
}

// shopFiles writes CSV files one order after the other.
type shopFiles struct {
	orders, items, payments strings.Builder
	n                       int
}

func newShopFiles() *shopFiles {
	f := &shopFiles{}
	f.orders.WriteString("order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at," +
		"order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date\n")
	f.items.WriteString("order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value\n")
	f.payments.WriteString("order_id,payment_sequential,payment_type,payment_installments,payment_value\n")
	return f
}

// add writes count orders of the hour that begins at, a minute apart.
func (f *shopFiles) add(at time.Time, count int, status string, paid bool) {
	for range count {
		f.n++
		id := fmt.Sprintf("%s-%05d", at.Format("0102-15"), f.n)
		when := at.Add(time.Duration(f.n%59) * time.Minute).Format(time.DateTime)
		fmt.Fprintf(&f.orders, "%s,c%s,%s,%s,%s,,,\n", id, id, status, when, when)
		fmt.Fprintf(&f.items, "%s,1,p,s,%s,10.00,1.00\n", id, when)
		if paid {
			fmt.Fprintf(&f.payments, "%s,1,boleto,1,11.00\n", id)
		}
	}
}

func (f *shopFiles) write(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		golden.OrdersFile: f.orders.String(), golden.ItemsFile: f.items.String(), golden.PaymentsFile: f.payments.String(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// alerting is a pipeline with an Alertmanager and a webhook.
type alerting struct {
	*pipeline
	hook     *hook
	notified *hook // by Alertmanager
	manager  *kit.Alertmanager
	folder   string

	weeks, later string // folders of the data set, one after the other
	want         []string
	consumers    []*kit.Process
}

// newAlerting writes a data set with two months of a small shop, then some hours more.
func newAlerting(t *testing.T) *alerting {
	hook, notified := newHook(t, readDocument), newHook(t, readNotification)
	a := &alerting{
		hook: hook, notified: notified, manager: kit.StartAlertmanager(t, notified.url()),
		pipeline: newPipeline(t, 3), folder: kit.StreamFolder(t, "funnel", "alerts"),
	}
	a.env = append(a.env, "TIDEMARK_ALERT_WEBHOOK="+hook.url(), "TIDEMARK_ALERTMANAGER_URL="+a.manager.URL+"/")

	monday := time.Date(2018, 1, 1, 12, 0, 0, 0, time.UTC)
	day, week := 24*time.Hour, 7*24*time.Hour
	weeks, later := newShopFiles(), newShopFiles()
	for n := range 8 {
		at := monday.Add(time.Duration(n) * week)
		weeks.add(at, 6, "delivered", true)
		weeks.add(at, 1, "canceled", true)
		weeks.add(at.Add(day), 6, "delivered", true)
	}
	weeks.add(monday.Add(3*week), 4, "canceled", true)       // 5 in all: at the threshold, and three weeks are no measure
	weeks.add(monday.Add(4*week+day), 6, "delivered", false) // dropped a week later
	weeks.add(monday.Add(5*week+2*day), 9, "canceled", true) // an hour that had none
	weeks.add(monday.Add(6*week+3*day), 4, "created", true)  // an anomaly only
	weeks.add(monday.Add(7*week), 9, "unavailable", true)
	weeks.add(monday.Add(8*week), 1, "delivered", true) // by now all have ripened
	for n := range 5 {
		later.add(monday.Add(8*week+time.Duration(n+1)*time.Hour), 3, "delivered", true)
	}
	a.weeks, a.later = weeks.write(t), later.write(t)

	dropped := map[golden.DropOffWindow]int64{}
	for _, dir := range []string{a.weeks, a.later} {
		part, err := wanted(t, dir, 0).Dropped()
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(dropped, part) // the two have no hour in common
	}
	for w, j := range golden.Judge(dropped, nil) {
		for kind, raised := range map[string]bool{"threshold": j.Threshold, "anomaly": j.Anomaly} {
			if raised {
				a.want = append(a.want, fmt.Sprintf("%s %s %s", kind, w.Status, w.Start.Format("01-02 15:04")))
			}
		}
	}
	slices.Sort(a.want)
	if len(a.want) < 6 {
		t.Fatalf("the data set raises only %q", a.want)
	}
	return a
}

// wanted are the alerts that the oracle names, as events of these kinds.
func (a *alerting) events(kinds ...string) map[string]int {
	all := map[string]int{}
	for _, kind := range kinds {
		for _, alert := range a.want {
			all[kind+" "+alert] = 1
		}
	}
	return all
}

func (a *alerting) consumer() *kit.Process {
	a.Helper()
	p := a.start("consume", "--streams", a.folder)
	a.consumers = append(a.consumers, p)
	return p
}

func (a *alerting) kill(processes ...*kit.Process) {
	a.Helper()
	for _, p := range processes {
		p.Signal(a, syscall.SIGKILL)
		p.Wait(a, patience)
	}
}

// marked waits until these destinations have been sent n events of a kind.
func (a *alerting) marked(event string, n int, destinations ...string) {
	a.Helper()
	for _, d := range destinations {
		a.await(int64(n), "select count(*) from alert_deliveries where sent and event = $1 and destination = $2", event, d)
	}
}

func (a *alerting) reaches(h *hook, want map[string]int) {
	a.Helper()
	kit.Eventually(a, patience, func() (bool, string) {
		got := h.events()
		for event := range want {
			if got[event] == 0 {
				return false, fmt.Sprintf("got %v, want %v", got, want)
			}
		}
		return true, ""
	})
}

var loggedAlert = regexp.MustCompile(`alert_id="?([0-9a-f-]{36})"?.*event="?(fired|resolved)"?`)

// logged counts the events in the output of all consumers.
func (a *alerting) logged() map[string]int {
	a.Helper()
	names := map[string]string{}
	rows, err := a.pg.DB.QueryContext(a.Context(), `select alert_id, kind || ' ' || order_status || ' ' ||
		to_char(window_start at time zone 'UTC', 'MM-DD HH24:MI') from drop_off_alerts`)
	if err != nil {
		a.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, name string
		if err := rows.Scan(&id, &name); err != nil {
			a.Fatal(err)
		}
		names[id] = name
	}
	if err := rows.Err(); err != nil {
		a.Fatal(err)
	}
	got := map[string]int{}
	for _, p := range a.consumers {
		for line := range strings.Lines(p.Output()) {
			if m := loggedAlert.FindStringSubmatch(line); m != nil {
				got[m[2]+" "+names[m[1]]]++
			}
		}
	}
	return got
}

// published counts the events in the topic.
func (a *alerting) published() map[string]int {
	a.Helper()
	got := map[string]int{}
	for _, r := range a.kafka.Records(a, "olist.alerts") {
		names, err := readDocument(r.Value)
		if err != nil {
			a.Fatalf("%v in %s", err, r.Value)
		}
		var d document
		_ = json.Unmarshal(r.Value, &d) // as it did a moment ago
		if string(r.Key) != d.ID {
			a.Errorf("the alert %s has the key %s", r.Value, r.Key)
		}
		got[names[0]]++
	}
	return got
}

// active are the alerts that Alertmanager takes for open.
func (a *alerting) active() int {
	a.Helper()
	resp, err := http.Get(a.manager.URL + "/api/v2/alerts?active=true")
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	var all []json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		a.Fatal(err)
	}
	return len(all)
}

// once makes sure that every destination has heard of each event once.
func (a *alerting) once(want map[string]int) {
	a.Helper()
	for name, got := range map[string]map[string]int{
		"the log": a.logged(), "Kafka": a.published(), "the webhook": a.hook.events(), "Alertmanager": a.notified.events(),
	} {
		if !maps.Equal(got, want) {
			a.Errorf("%s has heard of\n%swant\n%s", name, list(got), list(want))
		}
	}
}

func list(events map[string]int) string {
	var b strings.Builder
	for _, e := range slices.Sorted(maps.Keys(events)) {
		fmt.Fprintf(&b, "  %d %s\n", events[e], e)
	}
	return b.String()
}

// Each alert reaches each destination once as fired and once as resolved, whatever
// happens to processes and destinations: here processes die where nothing is on its way.
func TestAlerts(t *testing.T) {
	a := newAlerting(t)
	n := len(a.want)
	a.hook.fail(true)
	first, second := a.consumer(), a.consumer()
	a.produce(a.weeks)
	// The webhook keeps nobody waiting.
	a.marked("fired", n, "log", "kafka", "alertmanager")
	a.reaches(a.notified, a.events("fired"))
	a.hook.stop()
	a.await(2, "select tries from alert_destinations where destination = 'webhook'")
	if got := a.hook.events(); len(got) != 0 || a.hook.refused == 0 {
		t.Errorf("the failing webhook has taken %v, refused %d", got, a.hook.refused)
	}
	a.kill(first, second)

	third, fourth := a.consumer(), a.consumer()
	a.hook.fail(false)
	a.hook.start()
	a.marked("fired", n, "webhook")
	a.kill(third)
	// Alertmanager forgets its alerts when it is restarted: open ones are posted again.
	a.manager.Stop(t)
	a.manager.Start(t)
	for _, statement := range []string{
		"update alert_deliveries set sent_at = sent_at - interval '61 seconds' where destination = 'alertmanager'",
		"update alert_destinations set tried_at = tried_at - interval '61 seconds' where destination = 'alertmanager'",
	} {
		if _, err := a.pg.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	kit.Eventually(t, patience, func() (bool, string) { return a.active() == n, "Alertmanager has the alerts again" })
	a.once(a.events("fired"))

	a.produce(a.later)
	a.marked("resolved", n, "log", "kafka", "webhook", "alertmanager")
	a.reaches(a.notified, a.events("fired", "resolved"))
	a.interrupt(fourth)
	a.once(a.events("fired", "resolved"))
	if got := a.active(); got != 0 {
		t.Errorf("Alertmanager takes %d alerts for open", got)
	}

	// All rows computed anew raise no alert anew.
	a.run("state", "reset", "--yes")
	bounded := a.start("consume", "--stop-at-end", "--streams", a.folder)
	a.consumers = append(a.consumers, bounded)
	a.succeeds(bounded)
	a.once(a.events("fired", "resolved"))
}

// Killed at random moments, processes may send again what they had sent and not marked,
// and Alertmanager knows the alert by its labels. Nothing is left out.
func TestAlertsUnderKills(t *testing.T) {
	a := newAlerting(t)
	n, kills := len(a.want), 0
	runners := []*kit.Process{a.consumer(), a.consumer()}
	// killing kills one after the other, while there are fewer events than wanted. The
	// webhook takes none before the first: so there is always something to kill amid.
	killing := func(event string) {
		t.Helper()
		a.hook.fail(true)
		before := kills
		kit.Eventually(t, patience, func() (bool, string) {
			var sent int
			if err := a.pg.DB.QueryRowContext(t.Context(),
				"select count(*) from alert_deliveries where sent and event = $1", event).Scan(&sent); err != nil {
				t.Fatal(err)
			}
			if sent == 4*n {
				return true, ""
			}
			var fresh int
			if err := a.pg.DB.QueryRowContext(t.Context(), "select count(*) from alert_deliveries where sent_at is null").Scan(&fresh); err != nil {
				t.Fatal(err)
			}
			if fresh > 0 && kills-before < 6 {
				time.Sleep(time.Duration(kills%4) * 150 * time.Millisecond)
				a.kill(runners[kills%2])
				runners[kills%2] = a.consumer()
				kills++
			}
			a.hook.fail(kills == before)
			return false, fmt.Sprintf("%d of %d are %s, after %d kills", sent, 4*n, event, kills)
		})
	}
	a.produce(a.weeks)
	killing("fired")
	a.reaches(a.notified, a.events("fired"))
	a.produce(a.later)
	killing("resolved")
	want := a.events("fired", "resolved")
	a.reaches(a.notified, want)
	a.kill(runners...)
	if t.Logf("%d kills", kills); kills == 0 {
		t.Error("nothing was killed")
	}
	if got := a.notified.events(); !maps.Equal(got, want) {
		t.Errorf("Alertmanager has notified of\n%swant\n%s", list(got), list(want))
	}
	for name, got := range map[string]map[string]int{"the log": a.logged(), "Kafka": a.published(), "the webhook": a.hook.events()} {
		again := 0
		for event, times := range got {
			if want[event] == 0 {
				t.Errorf("%s has heard of %s", name, event)
			}
			again += times - 1
		}
		if len(got) != len(want) || again > kills*n {
			t.Errorf("%s has heard of\n%swant\n%s", name, list(got), list(want))
		}
		t.Logf("%s: %d again", name, again)
	}
}
