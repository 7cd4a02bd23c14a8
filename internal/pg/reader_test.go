package pg_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/embedpg"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

// reader reads the database of dsn, and what it logged.
func reader(t *testing.T, dsn string) (r *pg.Reader, logged *[]string) {
	t.Helper()
	logged = &[]string{}
	r, err := pg.NewReader(dsn, "page", func(line string) { *logged = append(*logged, line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, logged
}

// writes are what a reader must not be able to do.
var writes = []string{
	"insert into alert_rules values ('canceled', 1)",
	"update alert_rules set threshold = 1",
	"delete from alert_rules",
	"truncate alert_rules",
	"create table mine (x int)",
	"create temporary table mine (x int)",
	"drop view real_time_funnel",
	"grant select on alert_rules to public",
	"select * from alerts_due('log')",
	"select alerts_detect()",
	"select * from cleanup_old_metrics(0)",
	"select from alert_rules for update",
	"copy alert_rules from program 'true'",
}

func TestReaderReadsOnly(t *testing.T) {
	db, dsn := migratedDSN(t)
	run(t, db, "create table made_later (x int)") // by a migration to come
	r, logged := reader(t, dsn)
	expect(t, r.DB(), "select current_user, current_setting('default_transaction_read_only')", pg.ReaderRole+"|on")
	for _, relation := range rows(t, db, `select c.relname from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
		where n.nspname = 'public' and c.relkind in ('r', 'v')`) {
		if _, err := r.DB().Exec("select * from " + relation + " limit 0"); err != nil {
			t.Errorf("reading %s: %v", relation, err)
		}
	}
	for _, write := range writes {
		if _, err := r.DB().Exec(write); err == nil {
			t.Errorf("%s is possible", write)
		}
		// Neither where a transaction were not read-only: the role may not. What it may is
		// make tables of its own (before 15) and grant nothing, which is a warning.
		if strings.Contains(write, "create") || strings.Contains(write, "grant") {
			continue
		}
		tx, err := r.DB().Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("set transaction read write"); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(write); err == nil || !strings.Contains(err.Error(), "permission denied") && !strings.Contains(err.Error(), "must be") {
			t.Errorf("%s in a writing transaction: %v", write, err)
		}
		_ = tx.Rollback()
	}
	if len(*logged) > 0 {
		t.Errorf("logged %q", *logged)
	}
}

func TestReaderTellsOfMissingTables(t *testing.T) {
	r, _ := reader(t, emptyDSN(t))
	err := r.Read(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("select from funnel_windows")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "tidemark db migrate") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

// cluster is a server of its own: roles are those of all its databases.
func cluster(t *testing.T) (admin *sql.DB, as func(user, database string) string) {
	t.Helper()
	s, err := embedpg.Start(context.Background(), embedpg.Options{})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	as = func(user, database string) string {
		dsn, err := url.Parse(s.DSN())
		if err != nil {
			t.Fatal(err)
		}
		dsn.User, dsn.Path = url.UserPassword(user, user), database
		return dsn.String()
	}
	return open(t, s.DSN()), as
}

func TestReaderIsMadeWhereItMayBe(t *testing.T) {
	admin, as := cluster(t)
	run(t, admin, "create role plain login password 'plain'")
	run(t, admin, "create database shop owner plain")
	plain := open(t, as("plain", "shop"))
	migrate := func(db *sql.DB, want bool) {
		t.Helper()
		applied, err := pg.Migrate(t.Context(), db)
		if err != nil || len(applied) > 0 != want {
			t.Fatalf("applied %v, %v", applied, err)
		}
	}
	readsOnly := func(user, role string, warned bool) {
		t.Helper()
		r, logged := reader(t, as(user, "shop"))
		r.DB().SetMaxIdleConns(0) // a connection each
		expect(t, r.DB(), "select current_user", role)
		expect(t, r.DB(), "select count(*) from real_time_funnel", "0")
		for _, write := range writes {
			if _, err := r.DB().Exec(write); err == nil {
				t.Errorf("as %s %s is possible", user, write)
			}
		}
		if got := strings.Join(*logged, "\n"); warned != (len(*logged) == 1) || warned && !strings.Contains(got, "tidemark db migrate") {
			t.Errorf("logged %q", got)
		}
	}

	// A user who may make no roles gets the tables all the same.
	migrate(plain, true)
	migrate(plain, false)
	if has, err := pg.HasReader(t.Context(), plain); err != nil || has {
		t.Error(has, err)
	}
	readsOnly("plain", "plain", true)

	// As soon as he may, so does the same command.
	run(t, admin, "alter role plain createrole")
	migrate(plain, true)
	migrate(plain, false)
	if has, err := pg.HasReader(t.Context(), plain); err != nil || !has {
		t.Error(has, err)
	}
	readsOnly("plain", pg.ReaderRole, false)

	// A login of the page alone, as docs/page.md has it.
	run(t, admin, "create role page login password 'page'")
	run(t, admin, "grant tidemark_reader to page")
	readsOnly("page", pg.ReaderRole, false)
}

func TestReaderIsMadeByManyAtOnce(t *testing.T) {
	admin, as := cluster(t)
	run(t, admin, "create role maker login createrole password 'maker'")
	var wg sync.WaitGroup
	for n := range 6 {
		name := fmt.Sprintf("shop_%d", n)
		run(t, admin, "create database "+name+" owner maker")
		db := open(t, as("maker", name))
		wg.Go(func() {
			if _, err := pg.Migrate(t.Context(), db); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for n := range 6 {
		r, logged := reader(t, as("maker", fmt.Sprintf("shop_%d", n)))
		expect(t, r.DB(), "select current_user, count(*) from gmv_metrics", pg.ReaderRole+"|0")
		if len(*logged) > 0 {
			t.Errorf("logged %q", *logged)
		}
	}
}
