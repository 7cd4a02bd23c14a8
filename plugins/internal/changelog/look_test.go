package changelog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// look is what is seen of the log by someone who leaves it in peace.
func (f *fixture) look(t *testing.T) (seq int64, copied map[string]string) {
	t.Helper()
	ctx := context.Background()
	last, err := Last(ctx, f.config(nil))
	if err != nil {
		t.Fatal(err)
	}
	local := f.openLocal(t, vfs.NewMem())
	defer local.Close()
	of, err := Copy(ctx, f.config(local))
	if err != nil {
		t.Fatal(err)
	}
	if (last == nil) != (of == nil) || last != nil && (last.Seq != of.Seq || last.Generation != of.Generation) {
		t.Fatalf("the last marker is %+v, and the copy's %+v", last, of)
	}
	copied = map[string]string{}
	if err := local.Stored("", func(key, value []byte) error {
		label, table, k, err := state.Split(key)
		if label != "op" || table != "t" {
			t.Errorf("key %q", key)
		}
		copied[string(k)] = string(value)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if last == nil {
		return -1, copied
	}
	return last.Seq, copied
}

func (f *fixture) expectLook(t *testing.T, seq int64, want map[string]string) {
	t.Helper()
	if got, copied := f.look(t); got != seq || !maps.Equal(copied, want) {
		t.Errorf("seq %d with %v, want %d with %v", got, copied, seq, want)
	}
}

// TestLook looks at a log while its writer goes on.
func TestLook(t *testing.T) {
	f := setup(t)
	defer f.close()
	if n, identity, err := Partitions(t.Context(), f.client, group); err != nil || n != 0 || identity != "" {
		t.Errorf("%d, %q, %v before there is one", n, identity, err)
	}
	identity, err := Ensure(t.Context(), f.client, group, 2)
	if err != nil {
		t.Fatal(err)
	}
	f.expectLook(t, -1, map[string]string{})
	if n, same, err := Partitions(t.Context(), f.client, group); err != nil || n != 2 || same != identity {
		t.Errorf("%d, %q, %v", n, same, err)
	}

	r := f.start(t, vfs.NewMem())
	f.expectLook(t, 0, map[string]string{})
	r.must(t, r.put("a", "1", "b", "1").commit(1))
	r.must(t, r.put("a", "2", "b", "", "c", "1").commit(2))
	want := map[string]string{"a": "2", "c": "1"}
	f.expectLook(t, 2, want)

	// What an aborted transaction or an open one has written is not seen.
	r.put("a", "3", "d", "1")
	for range 100 {
		if err := r.commitWith(3, func(context.Context, *kgo.Client) error { return errors.New("no") }); !errors.Is(err, ErrAborted) {
			t.Fatal(err)
		}
	}
	f.expectLook(t, 2, want)
	r.must(t, r.commitWith(3, func(context.Context, *kgo.Client) error {
		f.expectLook(t, 2, want)
		return nil
	}))
	want["a"], want["d"] = "3", "1"
	f.expectLook(t, 3, want)
	f.cluster.Compact()
	f.expectLook(t, 3, want)
	r.must(t, r.put("e", "1").commit(4)) // it was not fenced
	want["e"] = "1"
	f.expectLook(t, 4, want)
	if r.Generation() != 1 {
		t.Errorf("generation %d", r.Generation())
	}
	r.stop(t)
}

// TestCopyOfALogThatGoesOn: what is committed while it is read is in the copy, the whole
// of a commit or nothing.
func TestCopyOfALogThatGoesOn(t *testing.T) {
	f := setup(t)
	defer f.close()
	r := f.start(t, vfs.NewMem())
	defer r.stop(t)
	r.must(t, r.put("x", "1", "y", "1").commit(1))
	var mu sync.Mutex
	n, busy := 1, false
	f.cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.cluster.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if n < 3 && !busy { // while the copy waits for its first records, another commit comes
			busy = true
			f.cluster.SleepControl(func() {
				n++
				v := fmt.Sprint(n)
				r.must(t, r.put("x", v, "y", v).commit(int64(n)))
				busy = false
			})
		}
		return nil, nil, false
	})
	local := f.openLocal(t, vfs.NewMem())
	defer local.Close()
	m, err := Copy(t.Context(), f.config(local))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]bool{}
	if err := local.Stored("op", func(_, value []byte) error {
		values[string(value)] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if m.Seq < 2 || len(values) != 1 || !values[fmt.Sprint(m.Seq)] {
		t.Errorf("seq %d with the values %v", m.Seq, values)
	}
}

func TestLookAtAnotherFormat(t *testing.T) {
	f := setup(t)
	defer f.close()
	if _, err := Ensure(t.Context(), f.client, group, 2); err != nil {
		t.Fatal(err)
	}
	r := &kgo.Record{Topic: Topic(group), Key: []byte(state.MarkerKey), Value: []byte{99, 1, 1}}
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r.Partition = 1
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if _, err := Last(t.Context(), f.config(nil)); err == nil || !strings.Contains(err.Error(), "changelog g-changelog/1: offset 0: changelog: written in another format") {
		t.Error(err)
	}
	local := f.openLocal(t, vfs.NewMem())
	defer local.Close()
	if _, err := Copy(t.Context(), f.config(local)); err == nil || !strings.Contains(err.Error(), "written in another format") {
		t.Error(err)
	}
}
