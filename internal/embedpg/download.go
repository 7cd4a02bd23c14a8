package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// downloadVersion is the Postgres that is fetched where none is installed.
const downloadVersion = embeddedpostgres.V17

// download returns the folder of the downloaded programs below cache, fetching
// them where they are missing. Processes may do so at the same time: each unpacks
// into a folder of its own, and the first to rename it wins.
func download(ctx context.Context, cache string) (string, error) {
	if cache == "" {
		var err error
		if cache, err = defaultCache(); err != nil {
			return "", err
		}
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, "postgres-"+string(downloadVersion))
	bin := filepath.Join(final, "bin")
	if _, err := os.Stat(final); err == nil {
		_, err := usable(ctx, bin)
		if err != nil {
			return "", fmt.Errorf("%s cannot be used, remove it to fetch it anew: %w", final, err)
		}
		return bin, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}

	// The library knows no cancellation: left alone, it finishes and is cleared away.
	fetched := make(chan error, 1)
	go func() {
		err := fetch(scratch)
		if err == nil {
			err = publish(filepath.Join(scratch, "postgres"), final)
		}
		fetched <- errors.Join(err, os.RemoveAll(scratch))
	}()
	select {
	case err = <-fetched:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if err != nil {
		return "", err
	}
	if _, err := usable(ctx, bin); err != nil {
		return "", fmt.Errorf("downloaded programs in %s: %w", final, err)
	}
	return bin, nil
}

// defaultCache is the user's cache folder. Root's own is closed to the user that
// runs the server, so root takes the system's and opens it whatever the umask.
func defaultCache() (string, error) {
	if isRoot() {
		const shared = "/var/cache/tidemark"
		err := os.MkdirAll(shared, 0o755)
		if err == nil {
			err = os.Chmod(shared, 0o755)
		}
		return shared, err
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "tidemark"), nil
}

// fetch unpacks Postgres into scratch/postgres. The library can fetch only on the
// way to a start, which it cannot do as root. So it is given a data folder that
// looks initialized but is empty: it fetches, verifies, unpacks, and fails to
// start, at once and for every user alike.
func fetch(scratch string) error {
	data := filepath.Join(scratch, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	major, _, _ := strings.Cut(string(downloadVersion), ".")
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(major+"\n"), 0o600); err != nil {
		return err
	}
	err := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(downloadVersion).
		Port(0).
		CachePath(filepath.Join(scratch, "archive")).
		RuntimePath(filepath.Join(scratch, "run")).
		BinariesPath(filepath.Join(scratch, "postgres")).
		DataPath(data).
		Logger(io.Discard)).Start()
	if err == nil {
		return errors.New("the server of an empty data folder has started")
	}
	if strings.HasPrefix(err.Error(), "could not start postgres") {
		return nil // it came as far as it was meant to
	}
	return err
}

// publish makes the unpacked programs readable for the server's user, whatever the
// umask, and moves them to where they are looked for.
func publish(from, to string) error {
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		if _, there := os.Stat(to); there == nil {
			return nil // another process was faster
		}
		return err
	}
	return nil
}
