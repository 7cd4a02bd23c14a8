package embedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// oldestMajor is the oldest Postgres that the views run on.
const oldestMajor = 14

// installDirs are the folders of packaged Postgres versions that put no server on
// the PATH.
var installDirs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// findBinaries returns a folder with a usable initdb and postgres: $PGBIN, the
// PATH, the usual folders (newest first), and at last a download.
func findBinaries(ctx context.Context, opts Options) (string, error) {
	if runtime.GOOS == "windows" {
		return "", errors.New("an embedded Postgres is not supported on Windows: name a server instead")
	}
	if !opts.Download {
		if dir := os.Getenv("PGBIN"); dir != "" {
			if _, err := usable(ctx, dir); err != nil {
				return "", fmt.Errorf("PGBIN=%s: %w", dir, err)
			}
			return dir, nil
		}
		if dir := installed(ctx); dir != "" {
			return dir, nil
		}
	}
	dir, err := download(ctx, opts.CacheDir)
	if err != nil {
		return "", fmt.Errorf("no PostgreSQL %d or newer is installed here (set PGBIN to its folder of programs) "+
			"and the download failed: %w", oldestMajor, err)
	}
	return dir, nil
}

// installed returns the folder of the server on the PATH or else of the newest
// packaged one, "" where there is none.
func installed(ctx context.Context) string {
	if path, err := exec.LookPath("postgres"); err == nil {
		// The PATH often holds a link to the folder that has initdb as well.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			if _, err := usable(ctx, filepath.Dir(target)); err == nil {
				return filepath.Dir(target)
			}
		}
	}
	best, bestMajor := "", 0
	for _, pattern := range installDirs {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue // only a malformed pattern does that
		}
		for _, dir := range slices.Backward(dirs) {
			if major, err := usable(ctx, dir); err == nil && major > bestMajor {
				best, bestMajor = dir, major
			}
		}
	}
	return best
}

var versionNumber = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// usable returns the major version of the Postgres in dir, or why it cannot serve.
func usable(ctx context.Context, dir string) (int, error) {
	for _, program := range []string{"initdb", "postgres"} {
		path, err := exec.LookPath(filepath.Join(dir, program))
		if err != nil {
			return 0, fmt.Errorf("no program %s in it", program)
		}
		if err := checkReach(path); err != nil {
			return 0, err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	prepareCommand(cmd)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("postgres --version: %w", err)
	}
	match := versionNumber.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("postgres --version says %q", out)
	}
	major, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return 0, fmt.Errorf("postgres --version says %q", out)
	}
	if major < oldestMajor {
		return 0, fmt.Errorf("PostgreSQL %d is too old, %d is needed", major, oldestMajor)
	}
	return major, nil
}
