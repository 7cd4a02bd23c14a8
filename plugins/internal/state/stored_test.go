package state

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestStored(t *testing.T) {
	l, err := OpenLocal(vfs.NewMem(), "dir", "id", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var changes []Change
	for _, k := range []string{"a\x00t\x00", "a\x00t\x00k\x00x", "a\x00u\x00k", "ab\x00t\x00k", "a_1\x00t\x00k"} {
		changes = append(changes, Change{[]byte(k), []byte("v")})
	}
	if err := l.Load(changes, []byte("marker")); err != nil {
		t.Fatal(err)
	}
	stored := func(label string) (keys []string) {
		t.Helper()
		if err := l.Stored(label, func(key, value []byte) error {
			label, table, rest, err := Split(key)
			keys = append(keys, fmt.Sprintf("%s %s %q %s", label, table, rest, value))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	a := []string{`a t "" v`, `a t "k\x00x" v`, `a u "k" v`}
	if got := stored("a"); !slices.Equal(got, a) {
		t.Error(got)
	}
	if got := stored("a_1"); !slices.Equal(got, []string{`a_1 t "k" v`}) {
		t.Error(got)
	}
	if got := stored(""); !slices.Equal(got, append(a, `a_1 t "k" v`, `ab t "k" v`)) {
		t.Error(got)
	}
	if got := stored("b"); got != nil {
		t.Error(got)
	}
	for _, bad := range []string{"", "a", "a\x00t", "\x00t\x00k", "a\x00\x00k"} {
		if _, _, _, err := Split([]byte(bad)); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}
