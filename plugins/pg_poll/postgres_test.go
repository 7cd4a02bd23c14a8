package pgpoll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

const patience = time.Minute

// polling is an input on a database that has the tables asked and told.
type polling struct {
	*input
	t   *testing.T
	hub *host.Hub
	db  *kit.Database
}

func newPolling(t *testing.T, db *kit.Database, settings string) *polling {
	t.Helper()
	settings += fmt.Sprintf("\ndsn: %q\n", db.DSN)
	if !strings.Contains(settings, "interval:") {
		settings += "interval: 1ms\n"
	}
	conf, err := spec().ParseYAML(settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig(conf)
	if err != nil {
		t.Fatal(err)
	}
	res := service.MockResources()
	p := &polling{t: t, hub: host.HubOf(res), db: db}
	p.hub.Open()
	p.input = newInput(c, p.hub, res.Logger())
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func newDatabase(t *testing.T) *kit.Database {
	t.Helper()
	db := kit.Postgres(t)
	exec(t, db, "create table asked (id int primary key)", "create table told (id int primary key)")
	return db
}

func exec(t *testing.T, db *kit.Database, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.DB.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

// read does what Benthos does: it connects again when there is no connection.
func (p *polling) read(ctx context.Context) (rows []string, ack func(), err error) {
	p.t.Helper()
	for {
		batch, done, err := p.ReadBatch(ctx)
		if errors.Is(err, service.ErrNotConnected) {
			err = p.Connect(ctx)
			if errors.Is(err, service.ErrEndOfInput) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				return nil, nil, err
			}
			if err != nil {
				p.t.Log(err) // Benthos logs it and comes back
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, m := range batch {
			text, err := m.AsBytes()
			if err != nil {
				p.t.Fatal(err)
			}
			rows = append(rows, string(text))
		}
		return rows, func() {
			if err := done(ctx, nil); err != nil {
				p.t.Error(err)
			}
		}, nil
	}
}

func (p *polling) want(rows ...string) (ack func()) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	got, ack, err := p.read(ctx)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(rows) {
		p.t.Fatalf("got %v, error %v, want %v", got, err, rows)
	}
	return ack
}

// silent makes sure that nothing comes for a while.
func (p *polling) silent() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 100*time.Millisecond)
	defer cancel()
	if got, _, err := p.read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		p.t.Fatalf("got %v, error %v, want silence", got, err)
	}
}

func TestRowsAsJSON(t *testing.T) {
	p := newPolling(t, kit.Postgres(t), `query: |
  select n, 1.10::numeric(15, 2) as money, timestamptz '2018-01-01 12:00:00+02' as at, array['a', null] as list,
    jsonb '{"k": [1]}' as doc, null::text as nothing, true as yes
  from generate_series(2, 1, -1) as n
  order by n desc;  `)
	row := `{"n": %d, "at": "2018-01-01T10:00:00+00:00", "doc": {"k": [1]}, "yes": true, "list": ["a", null], "money": 1.10, "nothing": null}`
	p.want(fmt.Sprintf(row, 2), fmt.Sprintf(row, 1))
}

func TestNextPollAfterAcknowledgement(t *testing.T) {
	db := newDatabase(t)
	p := newPolling(t, db, "query: select id from asked where id not in (select id from told) order by id")
	p.silent()
	exec(t, db, "insert into asked values (1), (2)")
	ack := p.want(`{"id": 1}`, `{"id": 2}`)
	exec(t, db, "insert into asked values (3)")
	p.silent()
	exec(t, db, "insert into told values (1), (2)")
	ack()
	ack = p.want(`{"id": 3}`)
	ack() // without a mark it comes again
	p.want(`{"id": 3}`)
}

func TestStopAtEnd(t *testing.T) {
	db := newDatabase(t)
	exec(t, db, "insert into asked values (1)")
	p := newPolling(t, db, "stop_at_end: true\ninterval: 1h\nquery: select id from asked where id not in (select id from told)")
	ack := p.want(`{"id": 1}`)
	exec(t, db, "insert into told values (1)")
	ack()
	if got, _, err := p.read(t.Context()); !errors.Is(err, service.ErrEndOfInput) || p.hub.Err() != nil {
		t.Errorf("got %v, error %v, failure %v, want the end", got, err, p.hub.Err())
	}
}

func TestExclusive(t *testing.T) {
	db := newDatabase(t)
	exec(t, db, "insert into asked values (1)")
	const settings = "query: select id from asked\nexclusive: e\n"
	first := newPolling(t, db, settings)
	first.want(`{"id": 1}`)()
	second := newPolling(t, db, settings)
	second.silent()
	bounded := newPolling(t, db, settings+"stop_at_end: true\n")
	if got, _, err := bounded.read(t.Context()); !errors.Is(err, service.ErrEndOfInput) {
		t.Errorf("got %v, error %v, want the end: another one polls", got, err)
	}
	newPolling(t, db, "query: select id from asked\nexclusive: other").want(`{"id": 1}`)
	first.want(`{"id": 1}`)()
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.want(`{"id": 1}`)
}

// A session that ends takes the lock with it: the input asks for it again.
func TestLostConnection(t *testing.T) {
	db := newDatabase(t)
	exec(t, db, "insert into asked values (1)")
	p := newPolling(t, db, "query: select id from asked\nexclusive: e\n")
	p.want(`{"id": 1}`)()
	exec(t, db, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tidemark' and datname = current_database()")
	p.want(`{"id": 1}`)()
	exec(t, db, "alter table asked add column zero int default 0")
	q := newPolling(t, db, "query: select id / zero as x from asked\n")
	q.silent() // it may pass: the query is asked again
	exec(t, db, "update asked set zero = 1")
	q.want(`{"x": 1}`)
}

func TestHopelessQuery(t *testing.T) {
	p := newPolling(t, kit.Postgres(t), "query: select id from nowhere")
	if got, _, err := p.read(t.Context()); !errors.Is(err, service.ErrEndOfInput) || p.hub.Err() == nil {
		t.Errorf("got %v, error %v, failure %v", got, err, p.hub.Err())
	} else if want := `pg_poll: relation "nowhere" does not exist (SQLSTATE 42P01)`; p.hub.Err().Error() != want {
		t.Errorf("failure %q, want %q", p.hub.Err(), want)
	}
}

func TestCloseEndsWaits(t *testing.T) {
	p := newPolling(t, newDatabase(t), "query: select id from asked")
	ended := make(chan error)
	go func() {
		_, _, err := p.read(t.Context())
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
