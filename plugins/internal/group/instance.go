package group

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	idFile = "instance"
	// maxSlots is more than the processes that share one folder.
	maxSlots = 1024
	// idPatience is how long the id is waited for.
	idPatience = 10 * time.Second
)

// An Instance is a place in a state folder that one process, or one stream in it,
// holds at a time. Its id is the same in whichever process holds the place next, so
// the group takes that process for the same member.
type Instance struct {
	id      string
	lock    io.Closer
	release sync.Once
}

// TakeInstance takes the first free place in the folder dir, which is made if there
// is none. The operating system frees it when the process ends, in whatever way.
//
// The folder has a random id, so that processes on different machines differ. Only
// who holds the first place may write it; all others wait until it is there.
func TakeInstance(dir string) (*Instance, error) {
	in, err := takeInstance(dir)
	if err != nil {
		return nil, fmt.Errorf("take an instance id in %s: %w", dir, err)
	}
	return in, nil
}

func takeInstance(dir string) (*Instance, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	dir, err := canonical(dir)
	if err != nil {
		return nil, err
	}
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		slot, lock, err := takeSlot(dir)
		if err != nil {
			return nil, err
		}
		id, err := readID(dir)
		if slot == 0 && errors.Is(err, fs.ErrNotExist) {
			id, err = writeID(dir)
		}
		if err == nil {
			return &Instance{id: fmt.Sprintf("%s-%d", id, slot), lock: lock}, nil
		}
		if closeErr := lock.Close(); !errors.Is(err, fs.ErrNotExist) || time.Since(begun) > idPatience {
			return nil, errors.Join(err, closeErr)
		}
	}
}

// canonical gives a folder one name: within a process, locks go by name.
func canonical(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// takeSlot locks the first slot that nobody has.
func takeSlot(dir string) (int, io.Closer, error) {
	var err error
	for slot := range maxSlots {
		var lock io.Closer
		if lock, err = vfs.Default.Lock(filepath.Join(dir, fmt.Sprintf("slot-%d", slot))); err == nil {
			return slot, lock, nil
		}
	}
	return 0, nil, err
}

var validID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// readID returns fs.ErrNotExist also for a file that was not written to its end,
// which a crash of the machine may leave behind.
func readID(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, idFile))
	if err != nil {
		return "", err
	}
	if id := strings.TrimSpace(string(b)); validID.MatchString(id) {
		return id, nil
	}
	return "", fs.ErrNotExist
}

func writeID(dir string) (string, error) {
	id, name := rand.Text(), filepath.Join(dir, idFile)
	if err := os.WriteFile(name+".new", []byte(id+"\n"), 0o644); err != nil {
		return "", err
	}
	return id, os.Rename(name+".new", name)
}

// ID is the id of the place.
func (i *Instance) ID() string { return i.id }

// Pass gives the place to another holder in this process, and makes Release do nothing;
// nil where it was released before.
func (i *Instance) Pass() (heir *Instance) {
	i.release.Do(func() { heir = &Instance{id: i.id, lock: i.lock} })
	return heir
}

// Release frees the place. Once is enough.
func (i *Instance) Release() (err error) {
	i.release.Do(func() { err = i.lock.Close() })
	return err
}
