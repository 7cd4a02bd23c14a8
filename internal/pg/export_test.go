package pg

import (
	"context"
	"database/sql"
	"io/fs"
)

// MigrateFS applies the files of a folder instead of those of the binary.
func MigrateFS(ctx context.Context, db *sql.DB, from fs.FS, dir string) ([]string, error) {
	files, err := loadMigrations(from, dir)
	if err != nil {
		return nil, err
	}
	return migrate(ctx, db, files)
}
