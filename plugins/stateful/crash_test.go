package stateful

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCrashes kills streams at random moments, as the loss of power does, while outputs
// refuse batches now and then. What was acknowledged does not come again, everything else
// does; and each event counts once.
func TestCrashes(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, func(w *world) { crashes(w, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func crashes(w *world, dice *rand.Rand) {
	var mu sync.Mutex
	others := rand.New(rand.NewPCG(dice.Uint64(), 2)) // of the output, which asks from elsewhere
	w.db.refuse = func(int) error {
		mu.Lock()
		pause, refused := others.IntN(200), others.IntN(20) == 0
		mu.Unlock()
		time.Sleep(time.Duration(pause) * time.Millisecond)
		if refused {
			return errors.New("not this one")
		}
		return nil
	}
	want := map[string]int{}
	config := counting + fmt.Sprintf("commit_interval: %dms\nmax_in_flight: %d\nrows_per_message: 1\n", 1+dice.IntN(1500), 1+dice.IntN(30))
	s := w.start(config)
	crashed := 0
	for id, second := 0, 0; id < 200; {
		var batch []string
		for range 1 + dice.IntN(6) {
			second += dice.IntN(5)
			key, at := string(rune('a'+dice.IntN(5))), max(0, second-dice.IntN(60))
			batch = append(batch, ev(fmt.Sprint(id), key, at))
			want[fmt.Sprintf("%s@%d", key, at/60)]++
			id++
		}
		w.broker.send(batch...)
		if dice.IntN(10) == 0 { // by a client that has not heard the answer
			w.broker.send(slices.Clone(batch)...)
		}
		time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond)
		if dice.IntN(12) == 0 {
			s.crash(vfs.CrashCloneCfg{UnsyncedDataPercent: dice.IntN(101), RNG: dice})
			crashed++
			s = w.start(config)
		}
	}
	w.broker.end()
	s.wait()
	var list []string
	for window, n := range want {
		list = append(list, fmt.Sprintf("%s=%d", window, n))
	}
	slices.Sort(list)
	wantEqual(w, w.db.counts(w), list)
	if n := w.broker.unanswered(); n > 0 {
		w.Errorf("%d batches are not acknowledged", n)
	}
	if l := w.db.deadLetters(); len(l) > 0 {
		w.Errorf("dead letters: %q", l)
	}
	if w.Failed() {
		w.Logf("%d crashes\n%s", crashed, s.log)
	}
}
