package embedpg

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// passwordFile lies in the data folder and is written last: it holds the
// superuser's password and says that the folder was made to the end.
const passwordFile = "tidemark.password"

// openDataDir returns the password of the data folder dir, which must be absolute.
// A missing or empty folder is initialized first.
func openDataDir(ctx context.Context, dir, bin string, noSync bool) (string, error) {
	password, err := os.ReadFile(filepath.Join(dir, passwordFile))
	if err == nil {
		return strings.TrimSpace(string(password)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("data folder %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return "", fmt.Errorf("data folder %s: %w", dir, err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", fmt.Errorf("data folder %s: %w", dir, err)
		}
	case err != nil:
		return "", fmt.Errorf("data folder %s: %w", dir, err)
	case len(entries) > 0:
		return "", fmt.Errorf("data folder %s is not empty and was not made (or not to the end) by tidemark: "+
			"remove it or name another", dir)
	}
	return initDataDir(ctx, dir, bin, noSync)
}

func initDataDir(ctx context.Context, dir, bin string, noSync bool) (string, error) {
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", fmt.Errorf("data folder %s: %w", dir, err)
	}
	if err := giveAway(dir); err != nil {
		return "", err
	}
	if err := checkReach(dir); err != nil {
		return "", fmt.Errorf("data folder %s: %w", dir, err)
	}
	password := rand.Text()
	pwfile, err := writePassword(password)
	if err != nil {
		return "", fmt.Errorf("initialize Postgres: %w", err)
	}
	defer os.RemoveAll(filepath.Dir(pwfile))

	args := []string{
		"-D", dir, "-U", user, "-A", "scram-sha-256", "--pwfile=" + pwfile, "-E", "UTF8", "--locale=C",
	}
	if noSync {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	prepareCommand(cmd)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("initialize Postgres: %w: %s", err, lastComplaint(out.String()))
	}
	if err := os.WriteFile(filepath.Join(dir, passwordFile), []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("initialize Postgres: %w", err)
	}
	return password, nil
}

// writePassword puts the password where initdb, which may run as another user, can
// read it. The file has a folder of its own, for the caller to remove.
func writePassword(password string) (string, error) {
	dir, err := os.MkdirTemp("", "tidemark-initdb-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "password")
	err = os.WriteFile(name, []byte(password+"\n"), 0o600)
	if err == nil {
		err = errors.Join(giveAway(dir), giveAway(name), checkReach(name))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return name, nil
}

// lastComplaint finds the line in a server's output that says what went wrong.
func lastComplaint(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		for _, mark := range []string{"PANIC:", "FATAL:", "error:"} {
			if _, text, found := strings.Cut(lines[i], mark); found {
				return strings.TrimSpace(text)
			}
		}
	}
	return lines[len(lines)-1]
}
