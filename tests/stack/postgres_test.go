package stack

import (
	"database/sql"
	"errors"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// stackLogins runs the services migrate and logins on a database, with these variables.
func stackLogins(t *testing.T, dsn *url.URL, set map[string]string) {
	t.Helper()
	services := project(t).Services
	kit.MustRun(t, kit.Command{Args: services["migrate"].Command, Env: []string{"POSTGRES_DSN=" + dsn.String()}}, time.Minute)
	s := services["logins"]
	if _, err := exec.LookPath(s.Entrypoint[0]); err != nil {
		kit.Missing(t, "no %s (Debian: apt-get install postgresql)", s.Entrypoint[0])
	}
	env := variables(&s)
	password, _ := dsn.User.Password()
	for name, value := range map[string]string{
		"PGHOST": dsn.Hostname(), "PGPORT": dsn.Port(), "PGUSER": dsn.User.Username(), "PGPASSWORD": password, "PGDATABASE": dsn.Path[1:],
	} {
		env[name] = value
	}
	for name, value := range set {
		if _, there := env[name]; !there {
			t.Fatalf("logins has no %s", name)
		}
		env[name] = value
	}
	args := []string{"--ignore-environment"}
	for name, value := range env {
		args = append(args, name+"="+value)
	}
	path, err := exec.LookPath(s.Entrypoint[0])
	if err != nil {
		t.Fatal(err)
	}
	args = append(append(args, path), s.Entrypoint[1:]...)
	for i, arg := range args {
		if arg == s.Volumes[0].Target {
			args[i] = s.Volumes[0].Source
		}
	}
	kit.MustRun(t, kit.Command{Path: "/usr/bin/env", Args: args, Dir: filepath.Dir(s.Volumes[0].Source)}, time.Minute)
}

// login is a connection under another name.
func login(t *testing.T, dsn url.URL, user, password string) *sql.DB {
	t.Helper()
	dsn.User = url.UserPassword(user, password)
	db, err := sql.Open("postgres", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// refused tells whether Postgres refuses a statement for want of rights.
func refused(db *sql.DB, statement string) bool {
	_, err := db.Exec(statement)
	var e *pq.Error
	return errors.As(err, &e) && e.Code == "42501"
}

// The logins of Grafana and of the page read everything and write nothing, also where they
// take back that their transactions are read-only; that of the registry has a database.
func TestLogins(t *testing.T) {
	dsn, err := url.Parse(kit.Postgres(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	stackLogins(t, dsn, nil)
	for _, user := range []string{"grafana", "page"} {
		db := login(t, *dsn, user, user)
		db.SetMaxOpenConns(1)
		for _, view := range []string{
			"real_time_funnel", "gmv_metrics", "drop_off_analysis", "payment_metrics", "hourly_funnel_summary", "gmv_forecast",
			"v_active_alerts", "dead_letter_events", "drop_off_alerts", "tidemark_tasks",
		} {
			var n int
			if err := db.QueryRow("select count(*) from " + view).Scan(&n); err != nil {
				t.Errorf("%s reads %s: %v", user, view, err)
			}
		}
		if _, err := db.Exec("create temporary table t ()"); err == nil {
			t.Errorf("transactions of %s are not read-only", user)
		}
		if _, err := db.Exec("set default_transaction_read_only = off"); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			"delete from dead_letter_events", "update alert_rules set threshold = 0", "insert into tidemark_tasks default values",
			"truncate gmv_forecast", "create table own ()", "drop view real_time_funnel", "select * from cleanup_old_metrics(0)",
			"create role more", "alter role tidemark_reader superuser",
		} {
			if !refused(db, statement) {
				t.Errorf("%s may %s", user, statement)
			}
		}
	}

	registry := *dsn
	registry.Path = "/registry"
	if _, err := login(t, registry, "registry", "registry").Exec("create table artifacts ()"); err != nil {
		t.Errorf("the registry cannot make its tables: %v", err)
	}

	// Again, with a password that was changed.
	stackLogins(t, dsn, map[string]string{"GRAFANA_POSTGRES_PASSWORD": "it's \"new\""})
	if err := login(t, *dsn, "grafana", "it's \"new\"").Ping(); err != nil {
		t.Errorf("the new password is not taken: %v", err)
	}
	if err := login(t, *dsn, "grafana", "grafana").Ping(); err == nil {
		t.Error("the old password is still taken")
	}
}
