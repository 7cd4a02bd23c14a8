package state

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

const testCache = 1 << 20

// TestFolderIsLocked: who has the folder keeps it, another store of the process and
// another process are told so, and when it is closed it is free.
func TestFolderIsLocked(t *testing.T) {
	if dir := os.Getenv("TIDEMARK_STATE_DIR_OF_PARENT"); dir != "" {
		_, err := OpenLocal(vfs.Default, dir, "it", testCache)
		fmt.Println("locked:", errors.Is(err, ErrLocked), "error:", err)
		return
	}
	dir := filepath.Join(t.TempDir(), "group", "0")
	child := func() string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFolderIsLocked$")
		cmd.Env = append(os.Environ(), "TIDEMARK_STATE_DIR_OF_PARENT="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	for _, fs := range []vfs.FS{vfs.Default, vfs.NewMem()} {
		for range 2 { // a refused attempt takes nothing away
			local, err := OpenLocal(fs, dir, "it", testCache)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := OpenLocal(fs, dir, "it", testCache); !errors.Is(err, ErrLocked) {
				t.Errorf("a second store in this process: %v", err)
			}
			if fs == vfs.Default {
				if out := child(); !strings.Contains(out, "locked: true") {
					t.Error("a second process:", out)
				}
			}
			if err := local.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out := child(); !strings.Contains(out, "error: <nil>") {
		t.Error("after it was closed:", out)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLocal(vfs.Default, file, "it", testCache); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a file in place of the folder: %v", err)
	}
}

// fill makes a store of several files and returns what it held after each commit, by
// marker.
func fill(t *testing.T, fs vfs.FS) map[string]map[string]int {
	local, table := openTable(t, fs)
	commits, want := map[string]map[string]int{}, map[string]int{}
	for commit := range 6 {
		for i := range 200 {
			k := fmt.Sprintf("%x", uint32(i*7919+commit%2)*2654435761)
			want[k] = i + commit
			table.Put(k, i+commit)
		}
		marker := fmt.Sprint("m", commit)
		commits[marker] = maps.Clone(want)
		handOut(local)
		if err := local.Apply([]byte(marker)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(local.Write(), local.db.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
	return commits
}

func openTable(t *testing.T, fs vfs.FS) (*Local, *Table[string, int]) {
	local, err := OpenLocal(fs, "state", "it", testCache)
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(local.Operator("a"), "x", intCodec{}).Cached()
	if err := table.Open(func(*Entry[string, int]) bool { return false }); err != nil {
		t.Fatal(err)
	}
	return local, table
}

// use opens a store, reads all of it and commits, as a task does, and returns the
// first error. What it reads without one is what stood there at the commit that the
// marker names.
func use(fs vfs.FS, commits map[string]map[string]int) (err error) {
	local, err := OpenLocal(fs, "state", "it", testCache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, local.Close()) }()
	m, err := local.Marker()
	if err != nil {
		return err
	}
	want, ok := commits[string(m)]
	if !ok && m != nil { // without one the store is empty
		return fmt.Errorf("%w: marker %q", errWrong, m)
	}
	table := NewTable(local.Operator("a"), "x", intCodec{}).Cached()
	n := 0
	if err := table.Open(func(*Entry[string, int]) bool { n++; return false }); err != nil {
		return err
	}
	wrong := max(n-len(want), len(want)-n)
	for k, v := range want {
		if got, ok := table.Get(k); got != v || !ok {
			wrong++
		}
		table.Put(k, v)
	}
	if err := local.Err(); err != nil {
		return err
	}
	handOut(local)
	if err := local.Apply([]byte("n")); err != nil {
		return err
	}
	if err := errors.Join(local.Write(), local.db.Flush()); err != nil {
		return err
	}
	if wrong != 0 {
		return fmt.Errorf("%w: %d keys", errWrong, wrong)
	}
	return local.Err()
}

var errWrong = errors.New("wrong without an error")

// TestBrokenFolderIsAnError damages each file of a store in turn: nothing panics;
// what is read is an error or stood there at the commit of the marker, which may be
// an earlier one; and without the folder all is well again.
func TestBrokenFolderIsAnError(t *testing.T) {
	pristine := vfs.NewMem()
	commits := fill(t, pristine)
	if err := use(clone(t, pristine), commits); err != nil {
		t.Fatal("undamaged:", err)
	}
	names, err := pristine.List("state")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	kinds := map[string]bool{}
	refused := map[string]bool{}
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range names {
		kind := strings.Trim(name, "0123456789")
		kinds[kind] = true
		for round := range 20 {
			fs := clone(t, pristine)
			damage := damageFile(t, fs, "state/"+name, round, random)
			if damage == "" {
				continue
			}
			err := use(fs, commits)
			if errors.Is(err, errWrong) {
				t.Errorf("%s, %s: %v", name, damage, err)
			}
			refused[kind] = refused[kind] || err != nil
			if err := RemoveLocal(fs, "state"); err != nil {
				t.Errorf("%s, %s: remove: %v", name, damage, err)
			}
			local, table := openTable(t, fs)
			table.Put("k", 1)
			handOut(local)
			if err := errors.Join(local.Apply([]byte("m")), local.Close()); err != nil {
				t.Errorf("%s, %s: anew: %v", name, damage, err)
			}
		}
	}
	for _, kind := range []string{"MANIFEST-", ".sst", "OPTIONS-"} {
		if !kinds[kind] {
			t.Errorf("no %s among %v", kind, names)
		}
	}
	for _, kind := range []string{"MANIFEST-", ".sst"} {
		if !refused[kind] {
			t.Errorf("no damage to a %s was noticed", kind)
		}
	}
}

// damageFile empties, cuts, removes or flips bytes of a file; where nothing can be
// done it returns "".
func damageFile(t *testing.T, fs *vfs.MemFS, name string, round int, random *rand.Rand) string {
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	what := ""
	switch {
	case round == 0:
		if err := fs.Remove(name); err != nil {
			t.Fatal(err)
		}
		return "removed"
	case len(b) == 0:
		return ""
	case round == 1:
		what, b = "emptied", nil
	case round < 8:
		n := random.IntN(len(b))
		what, b = fmt.Sprint("cut to ", n), b[:n]
	default:
		at := random.IntN(len(b))
		what = fmt.Sprint("flipped at ", at)
		for i := at; i < min(at+1+round%3*16, len(b)); i++ {
			b[i] ^= byte(1 + random.IntN(255))
		}
	}
	g, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return what
}

func clone(t *testing.T, from vfs.FS) *vfs.MemFS {
	to := vfs.NewMem()
	if ok, err := vfs.Clone(from, to, "state", "state"); err != nil || !ok {
		t.Fatal(ok, err)
	}
	return to
}

// TestFailingDiskIsAnError lets every write, or every read, fail from some moment
// on: nothing panics or hangs, the store says so and refuses commits, and closes.
func TestFailingDiskIsAnError(t *testing.T) {
	for _, c := range []struct {
		what  string
		fails func(errorfs.Op) bool
	}{
		{"writes", func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }},
		{"the manifest", func(op errorfs.Op) bool {
			return strings.Contains(op.Path, "MANIFEST") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite
		}},
		{"new files", func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate }},
		{"reads of tables", func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".sst") && op.Kind == errorfs.OpFileReadAt
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			mem := vfs.NewMem()
			commits := fill(t, mem)
			broken := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
				if c.fails(op) {
					return errorfs.ErrInjected
				}
				return nil
			})}
			local, table := openTable(t, errorfs.Wrap(mem, &broken))
			broken.On()
			var err error
			for round := 0; err == nil && round < 40; round++ {
				for k := range commits["m5"] {
					table.Get(k)
					table.Put(k, round)
				}
				for i := range 3000 {
					table.Put(strings.Repeat(fmt.Sprint(round, i), 20), i)
				}
				if err = local.Err(); err == nil {
					handOut(local)
					err = errors.Join(local.Apply([]byte("m")), local.Write())
				}
				if err == nil {
					err = local.Err()
				}
			}
			if err == nil || !strings.Contains(err.Error(), errorfs.ErrInjected.Error()) {
				t.Errorf("the disk failed, and the store says %v", err)
			}
			if err := local.Close(); err == nil {
				t.Error("the store is closed as if nothing were")
			}
			broken.Off()
			if err := RemoveLocal(mem, "state"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFailingDiskEndsClose: what waits in memory cannot be written, and Close says so.
func TestFailingDiskEndsClose(t *testing.T) {
	var broken errorfs.Toggle
	broken.Injector = errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errorfs.ErrInjected
		}
		return nil
	})
	local, table := openTable(t, errorfs.Wrap(vfs.NewMem(), &broken))
	table.Put("k", 1)
	handOut(local)
	if err := local.Apply([]byte("m")); err != nil {
		t.Fatal(err)
	}
	broken.On()
	if err := local.Close(); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("closed with %v", err)
	}
}
