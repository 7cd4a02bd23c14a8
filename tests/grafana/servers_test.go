package grafana

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// patience bounds what a test waits for.
const patience = 5 * time.Minute

// statefulStreams are chosen where figures are compared: those that read the events.
var statefulStreams = []string{"tidemark-dimensions", "tidemark-funnel", "tidemark-gmv", "tidemark-payments"}

// pipeline is Kafka, Postgres and a Prometheus that scrapes the consumer.
type pipeline struct {
	testing.TB
	env     []string
	metrics string
	pg      *kit.Database
	reader  *sql.DB // the same database, by a role that only reads: so Grafana should
	prom    *kit.Prometheus
	since   time.Time
}

func newPipeline(t testing.TB) *pipeline {
	t.Helper()
	p := &pipeline{TB: t, pg: kit.Postgres(t), metrics: kit.FreeAddress(t)}
	p.prom = kit.StartPrometheus(t, time.Second, p.metrics)
	kafka := kit.Kafka(t)
	p.env = []string{
		"KAFKA_BROKERS=" + kafka.Addr(), "POSTGRES_DSN=" + p.pg.DSN, "TIDEMARK_STATE_DIR=" + t.TempDir(), "TIDEMARK_HTTP_ADDRESS=" + p.metrics,
	}
	kafka.Reset(t, 0)
	p.run("topics", "create", "--partitions", "3")
	p.run("db", "migrate")
	for status, n := range thresholds {
		if _, err := p.pg.DB.ExecContext(t.Context(), `insert into alert_rules (order_status, threshold) values ($1, $2)
			on conflict (order_status) do update set threshold = excluded.threshold`, status, n); err != nil {
			t.Fatal(err)
		}
	}
	p.reader = reader(t, p.pg)
	return p
}

// reader connects as a role that may read tables and views, and nothing else.
func reader(t testing.TB, pg *kit.Database) *sql.DB {
	t.Helper()
	const role = "reads_for_grafana"
	for _, statement := range []string{
		`do $$ begin if not exists (select from pg_roles where rolname = '` + role + `') then create role ` + role + `; end if; end $$`,
		`grant select on all tables in schema public to ` + role,
	} {
		if _, err := pg.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	dsn, err := url.Parse(pg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	query := dsn.Query()
	query.Set("role", role)
	dsn.RawQuery = query.Encode()
	db, err := sql.Open("postgres", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // nothing is written
	if _, err := db.ExecContext(t.Context(), "delete from alert_rules"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Fatalf("the role that only reads may write: %v", err)
	}
	return db
}

func (p *pipeline) run(args ...string) {
	p.Helper()
	kit.MustRun(p, kit.Command{Args: args, Env: p.env}, patience)
}

// rest waits until Prometheus knows that the streams have read these numbers of events, and
// that nothing waits.
func (p *pipeline) rest(read map[string]int64) {
	p.Helper()
	now := func(expr string) map[string]string {
		var data struct{ Result []sample }
		if err := p.prom.API(p.Context(), "query", url.Values{"query": {expr}}, &data); err != nil {
			p.Fatal(err)
		}
		by := map[string]string{}
		for _, s := range data.Result {
			by[s.Metric["stream"]] = s.last()
		}
		return by
	}
	kit.Eventually(p, patience, func() (bool, string) {
		got := now(`sum by (stream) (tidemark_events_total{operator="input"})`)
		lag := now(`sum by (stream) (tidemark_lag_records)`)
		for stream, n := range read {
			if got[stream] != fmt.Sprint(n) || lag[stream] != "0" {
				return false, fmt.Sprintf("%s has read %s of %d, lag %s", stream, got[stream], n, lag[stream])
			}
		}
		return true, ""
	})
}

// screen is the shipped board as it is opened now, with the values of its variables.
func (p *pipeline) screen(b *board) *screen {
	p.Helper()
	s, err := opened(b, time.Now())
	if err == nil {
		err = findOptions(p.Context(), p.reader, s)
	}
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// healthScreen shows the time in which the consumer ran.
func (p *pipeline) healthScreen(b *board) *screen {
	p.Helper()
	s := p.screen(b)
	s.from, s.to, s.scrape = p.since, time.Now(), time.Second
	s.chosen["stream"] = statefulStreams
	return s
}

// dataset is a folder with the Olist files, or, where they are not, generated ones. What
// few boards show of a quiet data set is added: an alert that stays open, by canceled
// orders in the last hour, and a dead letter, by a payment of no order.
func dataset(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(kit.Scratch(t), "dataset")
	if olist, found := kit.FindOlist(t); found {
		if err := os.CopyFS(dir, os.DirFS(olist)); err != nil {
			t.Fatal(err)
		}
	} else {
		kit.MustRun(t, kit.Command{Args: []string{"generate", "--orders", "8000", "--seed", "1", "--out", dir}}, patience)
	}
	events, _, err := golden.Read(dir, golden.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for _, e := range events {
		if e.Kind == golden.Order && e.Time.After(last) {
			last = e.Time
		}
	}
	for i := range thresholds["*"] + 1 {
		add(t, dir, golden.OrdersFile, fmt.Sprintf("added-order-%d,added-customer-%d,canceled,%s,,,,", i, i, last.Format(time.DateTime)))
	}
	add(t, dir, golden.PaymentsFile, "order-of-nobody,1,credit_card,1,10.00")
	return dir
}

// add adds a row to a file.
func add(t testing.TB, dir, file, row string) {
	t.Helper()
	path := filepath.Join(dir, file)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.TrimRight(string(text), "\n")+"\n"+row+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestBoardsOnRealServers asks every query of every board, as Grafana would, while the
// streams run and after they have come to the end, and compares figures with the oracle.
func TestBoardsOnRealServers(t *testing.T) {
	dir := dataset(t)
	w := newTruth(t, dir)
	boards := all(t)
	p := newPipeline(t)

	p.since = time.Now()
	consumer := kit.Start(t, kit.Command{Args: []string{"consume", "--no-console"}, Env: p.env})
	kit.Eventually(t, patience, func() (bool, string) {
		resp, err := http.Get("http://" + p.metrics + "/ready")
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		return true, ""
	})
	p.run("produce", "--dataset-dir", dir, "--speed", "max")
	p.rest(w.read())
	t.Run("Prometheus", func(t *testing.T) {
		for _, fault := range health(t.Context(), p.prom, p.healthScreen(boards["health.json"])) {
			t.Error(fault)
		}
		everything := p.healthScreen(boards["health.json"])
		everything.chosen["stream"] = []string{"$__all"}
		for _, fault := range health(t.Context(), p.prom, everything) {
			t.Error(fault)
		}
		for _, fault := range w.health(t.Context(), p.prom, p.healthScreen(boards["health.json"])) {
			t.Error(fault)
		}
	})
	t.Run("broken PromQL", func(t *testing.T) { p.brokenPromQL(t, w) })

	consumer.Signal(t, syscall.SIGTERM)
	if r := consumer.Wait(t, patience); r.Code != 0 {
		t.Fatalf("exit code %d", r.Code)
	}
	p.run("consume", "--stop-at-end")
	t.Run("Postgres", func(t *testing.T) {
		for _, b := range boards {
			if faults := judge(askAll(t.Context(), p.reader, p.screen(b))); len(faults) > 0 {
				t.Error(strings.Join(faults, "\n"))
			}
		}
	})
	t.Run("oracle", func(t *testing.T) {
		for _, b := range boards {
			for choice, length := range map[string]time.Duration{"1m": time.Minute, "1h": time.Hour, "1d": 24 * time.Hour} {
				if *b.Uid == "tidemark-drop-off" && length < time.Hour {
					continue // its windows are hours
				}
				s := p.screen(b)
				s.chosen["bucket"] = []string{choice}
				for _, fault := range head(w.board(*b.Uid, askAll(t.Context(), p.reader, s), length)) {
					t.Errorf("in buckets of %s: %s", choice, fault)
				}
			}
		}
	})
	t.Run("choices", func(t *testing.T) { p.choices(t, boards) })
	t.Run("ranges", func(t *testing.T) { p.ranges(t, boards) })
	t.Run("without data", func(t *testing.T) {
		for _, b := range boards {
			for _, fault := range constant(t.Context(), p.reader, migrated(t), p.screen(b)) {
				t.Error(fault)
			}
		}
	})
	t.Run("broken SQL", func(t *testing.T) { p.brokenSQL(t, w) })
}

// head is the begin of a long list.
func head(faults []string) []string {
	const most = 10
	if len(faults) <= most {
		return faults
	}
	return append(slices.Clone(faults[:most]), fmt.Sprintf("and %d more", len(faults)-most))
}

// choices asks each board with single values of its variables: what is shown is theirs
// alone, and no name of a status or a method breaks a query.
func (p *pipeline) choices(t *testing.T, boards map[string]*board) {
	for _, b := range boards {
		s := p.screen(b)
		for name, options := range s.options {
			if len(options) < 2 {
				t.Errorf("%s: %s has the values %v", *b.Title, name, options)
			}
			for _, values := range [][]string{options[:1], options[:2], {"O'Neill"}, {`$1 \ %`}} {
				s.chosen = map[string][]string{name: values}
				for _, a := range askAll(t.Context(), p.reader, s) {
					for _, fault := range a.faults {
						t.Errorf("%s = %q: %s", name, values, fault)
					}
					if a.panel == nil || a.answer == nil {
						continue
					}
					for i, column := range a.answer.columns {
						if column != map[string]string{"state": "State", "status": "Status", "method": "Method"}[name] || !strings.Contains(rawSQL(a.query), "$"+name) {
							continue
						}
						for _, row := range a.answer.rows {
							if !slices.Contains(values, row[i].String) {
								t.Errorf("%s = %q: %s shows %s", name, values, a.place, row[i].String)
							}
						}
					}
				}
			}
		}
	}
}

// ranges follows the links of the list of ranges: each shows data.
func (p *pipeline) ranges(t *testing.T, boards map[string]*board) {
	for file, b := range boards {
		if file == "health.json" {
			continue
		}
		s := p.screen(b)
		all := byTitle(askAll(t.Context(), p.reader, s))["table/Show"]
		if all == nil || len(all.rows) != 6 {
			t.Errorf("%s lists the ranges %+v", file, all)
			continue
		}
		for i, name := range all.values("Show") {
			s.from, s.to = millis(t, all.values("from_ms")[i]), millis(t, all.values("to_ms")[i])
			if s.to.Sub(s.from) < time.Hour || s.to.Sub(s.from) > 3*365*24*time.Hour {
				t.Errorf("%s, %s: from %v to %v", file, name, s.from, s.to)
			}
			filled := 0
			for _, a := range askAll(t.Context(), p.reader, s) {
				for _, fault := range a.faults {
					t.Errorf("%s: %s", name, fault)
				}
				if a.panel != nil && a.panel.Type == "timeseries" && a.answer != nil && !isEmpty(a.answer) {
					filled++
				}
			}
			if filled < 2 {
				t.Errorf("%s, %s: only %d charts show something", file, name, filled)
			}
		}
	}
}

func millis(t testing.TB, text string) time.Time {
	t.Helper()
	n := number(text)
	if n.Sign() < 0 || !n.IsInt() {
		t.Fatalf("%q is no time", text)
	}
	return time.UnixMilli(n.Num().Int64())
}

// migrated is a database with all tables and no rows.
func migrated(t testing.TB) *sql.DB {
	t.Helper()
	pg := kit.Postgres(t)
	kit.MustRun(t, kit.Command{Args: []string{"db", "migrate"}, Env: []string{"POSTGRES_DSN=" + pg.DSN}}, patience)
	return pg.DB
}

// constant names the queries that answer the same where there is no data. They may not
// fail there either: that is how a board is opened first.
func constant(ctx context.Context, filled, empty *sql.DB, s *screen) (faults []string) {
	with, without := askAll(ctx, filled, s), askAll(ctx, empty, s)
	for i, a := range without {
		faults = append(faults, a.faults...)
		if a.answer == nil || with[i].answer == nil {
			continue
		}
		if fmt.Sprint(a.answer.rows) == fmt.Sprint(with[i].answer.rows) {
			faults = append(faults, a.place+": answers the same without any data")
		}
	}
	return faults
}
