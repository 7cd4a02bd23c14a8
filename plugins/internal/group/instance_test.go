package group

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// childDir names the folder in which this binary, started as a child, takes a place.
const childDir = "GROUP_TEST_INSTANCE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		in, err := TakeInstance(dir)
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(in.ID())
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent has seen enough
		os.Exit(0)                           // without release
	}
	os.Exit(m.Run())
}

func take(t *testing.T, dir string) *Instance {
	t.Helper()
	in, err := TakeInstance(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Release() })
	return in
}

// split parts an instance id into the folder's id and the slot.
func split(id string) (string, string) {
	i := strings.LastIndex(id, "-")
	return id[:i], id[i+1:]
}

func TestInstancesInOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	a, b := take(t, dir), take(t, dir)
	idA, slotA := split(a.ID())
	idB, slotB := split(b.ID())
	if idA != idB || slotA != "0" || slotB != "1" {
		t.Errorf("got %s and %s", a.ID(), b.ID())
	}
	first := a.ID()
	if err := a.Release(); err != nil {
		t.Fatal(err)
	}
	if err := a.Release(); err != nil {
		t.Fatal("a second release:", err)
	}
	if again := take(t, dir); again.ID() != first {
		t.Errorf("%s is free, got %s", first, again.ID())
	}
	if other := take(t, t.TempDir()); strings.HasPrefix(other.ID(), idA) {
		t.Errorf("two folders have the id %s", idA)
	}
}

func TestOneFolderByTwoNames(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	if a, b := take(t, dir), take(t, link); a.ID() == b.ID() {
		t.Errorf("both are %s", a.ID())
	}
}

func TestAnIDThatWasNotWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, idFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	id, _ := split(take(t, dir).ID())
	if got, err := readID(dir); err != nil || got != id || !validID.MatchString(id) {
		t.Errorf("got %q, %q, %v", id, got, err)
	}
}

// Who has the first place is about to write the folder's id: the others wait for it.
func TestOneWritesTheID(t *testing.T) {
	dir, err := canonical(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, first, err := takeSlot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	taken := make(chan *Instance)
	go func() {
		in, err := TakeInstance(dir)
		if err != nil {
			t.Error(err)
		}
		taken <- in
	}()
	time.Sleep(50 * time.Millisecond)
	id, err := writeID(dir)
	if err != nil {
		t.Fatal(err)
	}
	in := <-taken
	if in == nil {
		return
	}
	defer func() { _ = in.Release() }()
	if in.ID() != id+"-1" {
		t.Errorf("got %s, want %s-1", in.ID(), id)
	}
}

func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if in, err := TakeInstance(file); err == nil {
		t.Errorf("got %s in a file", in.ID())
	}
}

// Processes that start at once agree on the folder's id and have places of their own,
// which are free as soon as they are dead.
func TestInstancesOfProcesses(t *testing.T) {
	dir := t.TempDir()
	const n = 5
	for range 2 {
		var ids []string
		var mu sync.Mutex
		var stop []func()
		var started sync.WaitGroup
		for range n {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childDir+"="+dir)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			stop = append(stop, func() {
				_ = in.Close()
				_ = cmd.Wait()
			})
			started.Go(func() {
				var id string
				_, err := fmt.Fscanln(out, &id)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("%v", err)
				}
				ids = append(ids, id)
			})
		}
		started.Wait()
		for _, f := range stop {
			f()
		}
		slices.Sort(ids)
		folder, _ := split(ids[0])
		for i, id := range ids {
			if want := fmt.Sprintf("%s-%d", folder, i); id != want {
				t.Errorf("got %s, want %s", id, want)
			}
		}
	}
	if _, slot := split(take(t, dir).ID()); slot != "0" {
		t.Errorf("the first place is still taken: got %s", slot)
	}
}

// TestPass: a place that was passed on is its heir's to free.
func TestPass(t *testing.T) {
	dir := t.TempDir()
	in := take(t, dir)
	heir := in.Pass()
	if heir == nil || heir.ID() != in.ID() || in.Pass() != nil {
		t.Fatalf("%v is passed on as %v", in, heir)
	}
	if err := in.Release(); err != nil {
		t.Fatal(err)
	}
	other := take(t, dir)
	if other.ID() == heir.ID() {
		t.Error("a place that was passed on is free")
	}
	for _, i := range []*Instance{heir, other} {
		if err := i.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if again := take(t, dir); again.ID() != heir.ID() {
		t.Error("the heir does not free its place")
	} else if err := again.Release(); err != nil {
		t.Fatal(err)
	}
}
