//go:build unix

package embedpg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// nobody is the user and group that the server runs as when root starts it.
const nobody = 65534

func isRoot() bool { return os.Geteuid() == 0 }

// prepareCommand sets the user, folder and environment of a Postgres program.
// Settings for clients (PGPORT, PGDATA, ...) are not handed on, and messages come
// in English, which lastComplaint reads.
func prepareCommand(cmd *exec.Cmd) {
	cmd.Dir = "/" // the current folder may be closed to the server's user
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	if isRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// detach takes the server out of the terminal's process group: Ctrl-C is for us to
// hear, and we stop the server after its last client. Where the system allows it,
// the server ends when we die.
func detach(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	endWithParent(cmd.SysProcAttr)
}

// giveAway makes the server's user the owner of path.
func giveAway(path string) error {
	if !isRoot() {
		return nil
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		return fmt.Errorf("hand over to the user of Postgres: %w", err)
	}
	return nil
}

// checkReach reports an error when the server's user may not enter a folder above
// path. Root itself may enter everywhere, so it would notice only when the server
// fails.
func checkReach(path string) error {
	if !isRoot() {
		return nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("cannot read the owner of %s", dir)
		}
		enter := os.FileMode(0o001)
		switch {
		case stat.Uid == nobody:
			enter = 0o100
		case stat.Gid == nobody:
			enter = 0o010
		}
		if info.Mode()&enter == 0 {
			return fmt.Errorf("the server cannot run as root; it runs as user %d, who may not enter %s", nobody, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
