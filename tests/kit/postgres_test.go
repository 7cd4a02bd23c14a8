package kit_test

import (
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestPostgresKeepsRowsOverARestart(t *testing.T) {
	d := kit.Postgres(t)
	if _, err := d.DB.Exec("create table t as select generate_series(1, 7) n"); err != nil {
		t.Fatal(err)
	}
	d.Stop(t)
	if err := d.DB.Ping(); err == nil {
		t.Error("a stopped server answers")
	}
	d.Start(t)
	var n int
	if err := d.DB.QueryRow("select count(*) from t").Scan(&n); err != nil || n != 7 {
		t.Errorf("%d rows and error %v, want 7", n, err)
	}
}

func TestPostgresDatabasesAreApart(t *testing.T) {
	a, b := kit.Postgres(t), kit.Postgres(t)
	if _, err := a.DB.Exec("create table only_here ()"); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := b.DB.QueryRow("select to_regclass('only_here') is not null").Scan(&there); err != nil || there {
		t.Errorf("the table of one database is in another (%v)", err)
	}
}
