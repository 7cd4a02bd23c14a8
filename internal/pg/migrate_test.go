package pg_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/tidemark-streams/tidemark/configs"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

func TestMigrateTwice(t *testing.T) {
	dsn := emptyDSN(t)
	db := open(t, dsn)
	pending, err := pg.Pending(t.Context(), dsn)
	if err != nil || len(rows(t, db, "select 1 from pg_tables where tablename = 'tidemark_migrations'")) != 0 {
		t.Fatal("what is pending cannot be asked for without a change:", err)
	}
	applied, err := pg.Migrate(t.Context(), db)
	if err != nil || len(applied) < 3 || applied[0] != "001_tables.sql" {
		t.Fatalf("first: %v, %v", applied, err)
	}
	if !slices.Equal(pending, applied) {
		t.Errorf("%v were pending, and %v applied", pending, applied)
	}
	if pending, err = pg.Pending(t.Context(), dsn); err != nil || len(pending) != 0 {
		t.Errorf("still pending: %v, %v", pending, err)
	}
	run(t, db, "update alert_rules set threshold = 9")
	record := rows(t, db, "select name, checksum, applied_at from tidemark_migrations order by name")
	applied, err = pg.Migrate(t.Context(), db)
	if err != nil || len(applied) != 0 {
		t.Fatalf("second: %v, %v, want nothing to do", applied, err)
	}
	expect(t, db, "select name, checksum, applied_at from tidemark_migrations order by name", record...)
	expect(t, db, "select order_status, threshold from alert_rules", "*|9")
}

// Whoever runs the files with psql instead may do so twice, too.
func TestFilesAreIdempotent(t *testing.T) {
	db := open(t, emptyDSN(t))
	entries, err := configs.Postgres.ReadDir("postgres")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, entry := range entries {
			text, err := configs.Postgres.ReadFile("postgres/" + entry.Name())
			if err != nil {
				t.Fatal(err)
			}
			run(t, db, string(text))
		}
	}
	expect(t, db, "select * from alert_rules", "*|5|8|3|5")
}

func TestMigrateConcurrently(t *testing.T) {
	dsn := emptyDSN(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []string
	for range 6 {
		db := open(t, dsn)
		wg.Go(func() {
			applied, err := pg.Migrate(t.Context(), db)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, applied...)
		})
	}
	wg.Wait()
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("applied more than once: %v", all)
	}
}

func TestMigrateChanges(t *testing.T) {
	db := open(t, emptyDSN(t))
	files := fstest.MapFS{
		"m/001_a.sql": {Data: []byte("create table a (x int);")},
		"m/002_v.sql": {Data: []byte("-- migration: repeatable\ncreate or replace view v as select x from a;")},
	}
	step := func(want ...string) {
		t.Helper()
		got, err := pg.MigrateFS(t.Context(), db, files, "m")
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("applied %v, %v, want %v", got, err, want)
		}
	}
	step("001_a.sql", "002_v.sql")
	step()

	// A changed view is replaced alone.
	files["m/002_v.sql"] = &fstest.MapFile{
		Data: []byte("-- migration: repeatable\ncreate or replace view v as select x, 1 as one from a;")}
	step("002_v.sql")

	// A new table file comes before the views whatever its number, and brings them along.
	files["m/003_b.sql"] = &fstest.MapFile{Data: []byte("drop view v; alter table a add y int;")}
	step("003_b.sql", "002_v.sql")
	step()

	// A failing file leaves nothing behind.
	files["m/004_c.sql"] = &fstest.MapFile{Data: []byte("create table c (x int); select 1 from missing;")}
	_, err := pg.MigrateFS(t.Context(), db, files, "m")
	if err == nil || !strings.Contains(err.Error(), "004_c.sql") {
		t.Errorf("a failing file: %v", err)
	}
	expect(t, db, "select to_regclass('c') is null", "true")
	delete(files, "m/004_c.sql")
	step()

	before := files["m/001_a.sql"]
	files["m/001_a.sql"] = &fstest.MapFile{Data: []byte("create table a (x bigint);")}
	_, err = pg.MigrateFS(t.Context(), db, files, "m")
	if err == nil || !strings.Contains(err.Error(), "001_a.sql has changed") {
		t.Errorf("a changed table file: %v", err)
	}
	files["m/001_a.sql"] = before

	delete(files, "m/003_b.sql")
	_, err = pg.MigrateFS(t.Context(), db, files, "m")
	if err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("a newer database: %v", err)
	}
}

func TestUpToDateNeedsNoRights(t *testing.T) {
	db := migrated(t)
	run(t, db, "create role reader login password 'reader'; grant select on tidemark_migrations to reader")
	conn := open(t, databaseOf(t, db, "reader", "reader"))
	applied, err := pg.Migrate(t.Context(), conn)
	if err != nil || len(applied) != 0 {
		t.Errorf("a role without rights on an up-to-date database: %v, %v", applied, err)
	}
}
