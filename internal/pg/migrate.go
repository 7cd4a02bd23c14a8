package pg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"

	"github.com/tidemark-streams/tidemark/configs"
)

const (
	// migrateLock is the advisory lock that lets one process migrate at a time:
	// the letters of "tidemark" as a number.
	migrateLock = 0x746964656d61726b
	// repeatableMark starts a file that may change and is then applied again.
	repeatableMark = "-- migration: repeatable\n"
	// oldestServer is the first server version that has all the functions that
	// the views use, as in server_version_num.
	oldestServer = 140000
)

type migration struct {
	name       string // file name; versioned files are applied in its order
	sql        string
	checksum   string // SHA-256 of the file, hex
	repeatable bool
}

// Migrate brings the schema up to date and returns the names of the files that it
// applied, none when there was nothing to do. Versioned files are applied once;
// then repeatable ones (views, functions) that changed, or all of them when a
// versioned one was applied, since they may use what it made. All happens in one
// transaction under an advisory lock: any number of processes may call it.
// The file of the reader's role is also applied again when the role is missing and this
// user may make it. A versioned file that changed after it was applied is an error, as is a
// database that a newer release has migrated.
func Migrate(ctx context.Context, db *sql.DB) ([]string, error) {
	files, err := loadMigrations(configs.Postgres, "postgres")
	if err != nil {
		return nil, err
	}
	return migrate(ctx, db, files)
}

// Pending returns the names of the files that Migrate would apply to the database that
// dsn names, none when its schema is up to date. It changes nothing.
func Pending(ctx context.Context, dsn string) ([]string, error) {
	db, err := openBriefly(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	files, err := loadMigrations(configs.Postgres, "postgres")
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, explain("migrations", err)
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	if err := checkServer(ctx, tx); err != nil {
		return nil, err
	}
	var exists bool
	if err := tx.QueryRowContext(ctx, "select to_regclass('tidemark_migrations') is not null").Scan(&exists); err != nil {
		return nil, explain("migrations", err)
	}
	done := map[string]migration{}
	if exists {
		if done, err = appliedMigrations(ctx, tx); err != nil {
			return nil, err
		}
	}
	todo, err := plan(files, done)
	names := make([]string, len(todo))
	for i, m := range todo {
		names[i] = m.name
	}
	return names, err
}

func loadMigrations(from fs.FS, dir string) ([]migration, error) {
	names, err := fs.Glob(from, path.Join(dir, "*.sql")) // sorted
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	files := make([]migration, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		sum := sha256.Sum256(text)
		files = append(files, migration{
			name: path.Base(name), sql: string(text), checksum: hex.EncodeToString(sum[:]),
			repeatable: bytes.HasPrefix(text, []byte(repeatableMark)),
		})
	}
	return files, nil
}

func migrate(ctx context.Context, db *sql.DB, files []migration) ([]string, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, explain("migrate", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing

	if err := checkServer(ctx, tx); err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock($1)", int64(migrateLock)); err != nil {
		return nil, explain("migrate: wait for the lock", err)
	}
	done, err := appliedMigrations(ctx, tx)
	if err != nil {
		return nil, err
	}
	due, err := readerDue(ctx, tx)
	if err != nil {
		return nil, err
	}
	if due {
		delete(done, readerFile)
	}
	todo, err := plan(files, done)
	if err != nil {
		return nil, err
	}
	applied := make([]string, 0, len(todo))
	for _, m := range todo {
		// Without arguments the driver sends the whole file as one script.
		if _, err := tx.ExecContext(ctx, m.sql); err != nil {
			return nil, explain("migrate: "+m.name, err)
		}
		if _, err := tx.ExecContext(ctx, `
			insert into tidemark_migrations (name, checksum, repeatable) values ($1, $2, $3)
			on conflict (name) do update
			set checksum = excluded.checksum, repeatable = excluded.repeatable, applied_at = now()`,
			m.name, m.checksum, m.repeatable); err != nil {
			return nil, explain("migrate: record "+m.name, err)
		}
		applied = append(applied, m.name)
	}
	if err := tx.Commit(); err != nil {
		return nil, explain("migrate", err)
	}
	return applied, nil
}

func checkServer(ctx context.Context, tx *sql.Tx) error {
	var number int
	var version string
	err := tx.QueryRowContext(ctx,
		"select current_setting('server_version_num')::int, current_setting('server_version')").Scan(&number, &version)
	if err != nil {
		return explain("migrate: read the server's version", err)
	}
	if number < oldestServer {
		return fmt.Errorf("migrate: the server runs PostgreSQL %s, at least %d is needed", version, oldestServer/10000)
	}
	return nil
}

// appliedMigrations reads what was applied before, by name. The record is created
// where it is missing, and only there: a database that is up to date can be
// checked by a role that may create nothing.
func appliedMigrations(ctx context.Context, tx *sql.Tx) (map[string]migration, error) {
	var exists bool
	if err := tx.QueryRowContext(ctx, "select to_regclass('tidemark_migrations') is not null").Scan(&exists); err != nil {
		return nil, explain("migrate", err)
	}
	if !exists {
		if _, err := tx.ExecContext(ctx, `
			create table tidemark_migrations (
				name text primary key,
				checksum text not null,
				repeatable boolean not null,
				applied_at timestamptz not null default now()
			)`); err != nil {
			return nil, explain("migrate: create the record of migrations", err)
		}
	}
	rows, err := tx.QueryContext(ctx, "select name, checksum, repeatable from tidemark_migrations")
	if err != nil {
		return nil, explain("migrate: read the record of migrations", err)
	}
	defer rows.Close()
	done := map[string]migration{}
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.name, &m.checksum, &m.repeatable); err != nil {
			return nil, explain("migrate: read the record of migrations", err)
		}
		done[m.name] = m
	}
	if err := rows.Err(); err != nil {
		return nil, explain("migrate: read the record of migrations", err)
	}
	return done, nil
}

// plan picks what has to be applied, in order.
func plan(files []migration, done map[string]migration) ([]migration, error) {
	known := map[string]bool{}
	for _, m := range files {
		known[m.name] = true
	}
	for name, m := range done {
		if !known[name] && !m.repeatable {
			return nil, fmt.Errorf("migrate: the database was migrated by a newer release (%s is unknown here)", name)
		}
	}
	var todo []migration
	for _, m := range files {
		before, ok := done[m.name]
		switch {
		case m.repeatable:
		case !ok:
			todo = append(todo, m)
		case before.checksum != m.checksum:
			return nil, fmt.Errorf("migrate: %s has changed since it was applied; a change needs a file of its own", m.name)
		}
	}
	again := len(todo) > 0
	for _, m := range files {
		if m.repeatable && (again || done[m.name].checksum != m.checksum) {
			todo = append(todo, m)
		}
	}
	return todo, nil
}
