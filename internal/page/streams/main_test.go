package streams

import (
	"context"
	"database/sql"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/pg"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

// database is a migrated one.
type database struct {
	*sql.DB
	t testing.TB
}

func newDatabase(t testing.TB) database {
	t.Helper()
	db := kit.Postgres(t).DB
	if _, err := pg.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return database{db, t}
}

func (d database) exec(statements ...string) {
	d.t.Helper()
	for _, s := range statements {
		if _, err := d.Exec(s); err != nil {
			d.t.Fatal(err)
		}
	}
}

// Read implements Database.
func (d database) Read(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := d.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return do(tx)
}
