package olistcsv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// A position never passes what is not acknowledged, and reaches everything that is.
func TestTracker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 20).Draw(t, "sizes")
		order := rapid.Permutation(sizesIndex(sizes)).Draw(t, "order")
		track := tracker{}
		track.tally = newTally()
		var flights []*flight
		for _, n := range sizes {
			tally := newTally()
			tally.Delivered[TopicOrders] = n
			flights = append(flights, track.begin(tally))
		}
		acked := map[int]bool{}
		for _, i := range order {
			track.ack(flights[i])
			acked[i] = true
			want := 0
			for j := 0; j < len(sizes) && acked[j]; j++ {
				want += sizes[j]
			}
			if done, tally := track.position(); done != want || tally.DeliveredTotal() != want {
				t.Fatal(done, tally, want)
			}
		}
		if len(track.open) != 0 {
			t.Fatal("it holds on to what is acknowledged")
		}
	})
}

func sizesIndex(sizes []int) (places []int) {
	for i := range sizes {
		places = append(places, i)
	}
	return places
}

// messageText is all of a message but for the time of a reject's sending.
func messageText(t testing.TB, m *service.Message) string {
	t.Helper()
	text, err := m.AsBytes()
	if err != nil {
		t.Fatal(err)
	}
	return meta(t, m, "kafka_topic") + " " + string(text)
}

// A replay that stops again and again, cleanly or not, sends every message, in order; only
// what was sent since the position was last written is sent again, and nothing after a clean
// stop. The accounts of the runs add up to that of a replay that did not stop.
func TestResume(t *testing.T) {
	fsys := paced(60, 1, func(i int) time.Duration { return time.Duration(i) * 7 * time.Second })
	fsys[ItemsFile].Data = append(fsys[ItemsFile].Data, "o1,2,,,,-1,0\no2,2,,,,x,0\nnone,1,,,,1,0\n"...)
	path := filepath.Join(t.TempDir(), "state", "position.json")
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		conf := fmt.Sprintf("batch_size: %d\nduplicates: %v\ndisorder: %ds\nlate: %v\nrebase: %q\n", 1+random.IntN(30),
			[]float64{0, 0.3}[random.IntN(2)], []int{0, 60}[random.IntN(2)], []float64{0, 0.1}[random.IntN(2)], []string{"", "now"}[random.IntN(2)])
		c := &clock{at: time.UnixMilli(1_900_000_000_000)}
		whole := newInput(t, fsys, conf, c)
		all, _ := drain(t, whole)
		want := make([]string, len(all))
		for i, m := range all {
			want[i] = messageText(t, m)
		}

		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		conf += fmt.Sprintf("checkpoint: { path: %q, resume: true }\n", path)
		var kept int
		var total Tally
		for runs := 0; ; runs++ {
			in := newInput(t, fsys, conf, c)
			if err := in.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if a := in.summary.Account(); a.Done() != kept || a.Total != len(want) {
				t.Fatalf("run %d begins at %d of %d, want %d", runs, a.Done(), a.Total, kept)
			}
			var acks []service.AckFunc
			ended, at := false, kept
			for range random.IntN(10) {
				batch, ack, err := in.ReadBatch(t.Context())
				if errors.Is(err, service.ErrEndOfInput) {
					ended = true
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range batch {
					if got := messageText(t, m); got != want[at] {
						t.Fatalf("message %d is\n%s\nwant\n%s", at, got, want[at])
					}
					at++
				}
				acks = append(acks, ack)
				c.at = c.at.Add(time.Second)
			}
			// Some of the last are not acknowledged, and those that are not in order.
			acks = acks[:random.IntN(len(acks)+1)]
			for _, i := range random.Perm(len(acks)) {
				if err := acks[i](t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				if random.IntN(4) == 0 {
					in.kept.save()
				}
			}
			if random.IntN(2) == 0 {
				close(in.kept.stop) // what a kill leaves is the file as it is
				<-in.kept.stopped
			} else {
				done := in.summary.Account().Done()
				if err := in.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if p := position(t, path); p.Done != done {
					t.Fatalf("a clean stop keeps %d of %d", p.Done, done)
				}
			}
			p := position(t, path)
			if p.Done < kept || p.Done > at {
				t.Fatalf("position %d, before it %d, sent %d", p.Done, kept, at)
			}
			kept, total = p.Done, p.Tally
			if ended && kept == len(want) {
				break
			}
		}
		if a := whole.summary.Account(); !reflect.DeepEqual(total, a.Tally) {
			t.Fatalf("the runs add up to %+v, want %+v", total, a.Tally)
		}
	}
}

// Runs that end at one time after the other, each going on from the one before, send
// together what one run does: before a time all that is due before it, and nothing else.
func TestUntil(t *testing.T) {
	fsys := paced(60, 1, func(i int) time.Duration { return time.Duration(i) * 7 * time.Second })
	fsys[ItemsFile].Data = append(fsys[ItemsFile].Data, "o1,2,,,,-1,0\n"...)
	for _, options := range []string{"", "duplicates: 0.3\ndisorder: 60s\nlate: 0.1\n", "rebase: now\n"} {
		c := &clock{at: time.UnixMilli(1_900_000_000_000)}
		whole := newInput(t, fsys, options, c)
		all, _ := drain(t, whole)
		conf := options + fmt.Sprintf("checkpoint: { path: %q, resume: true }\n", filepath.Join(t.TempDir(), "position.json"))
		first := whole.data.refs[0].At
		sent := 0
		for _, after := range []time.Duration{0, time.Second, 70 * time.Second, 69 * time.Second, 200 * time.Second, 1000 * time.Hour} {
			until := first.Add(event.Duration(after.Milliseconds()))
			due := len(whole.data.Rejects)
			for _, ref := range whole.data.refs {
				if ref.At < until {
					due++
				}
			}
			in := newInput(t, fsys, conf+fmt.Sprintf("speed: 1000\nuntil: %q\n", until), c)
			got, _ := drain(t, in)
			before := sent
			for _, m := range got {
				if is, want := messageText(t, m), messageText(t, all[sent]); is != want {
					t.Fatalf("message %d is\n%s\nwant\n%s", sent, is, want)
				}
				sent++
			}
			if want := max(due, before); sent != want {
				t.Fatalf("%d were sent until %v, want %d", sent, until, want)
			}
			if a := in.summary.Account(); a.Done() != sent || a.Total != sent {
				t.Errorf("the account until %v has %d of %d, want all %d", until, a.Done(), a.Total, sent)
			}
			if err := in.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if sent != len(all) {
			t.Errorf("%d of %d were sent", sent, len(all))
		}
	}
}

func position(t testing.TB, path string) Position {
	t.Helper()
	p, found, err := readPosition(path)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	return p
}

// begun starts a replay of fsys and says why it does not begin, or where it does.
func begun(t testing.TB, fsys fstest.MapFS, conf string) (at int, failure string) {
	t.Helper()
	in := newInput(t, fsys, conf, &clock{at: time.UnixMilli(0)})
	if err := in.Connect(t.Context()); err != nil && !errors.Is(err, service.ErrEndOfInput) {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(context.Background()) })
	if err := in.hub.Err(); err != nil {
		return 0, err.Error()
	}
	return in.next, ""
}

func TestResumeChecksThePosition(t *testing.T) {
	const options = "limit: 3\nduplicates: 0.5\n"
	path := filepath.Join(t.TempDir(), "position.json")
	keep := fmt.Sprintf("checkpoint: { path: %q, resume: %%v, target: %%q }\n", path)
	write := func() {
		in := newInput(t, three, options+"batch_size: 2\n"+fmt.Sprintf(keep, false, "here"), &clock{at: time.UnixMilli(0)})
		if err := in.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the reject, and two events
			_, ack, err := in.ReadBatch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := ack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := in.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	other := maps.Clone(three)
	other[PaymentsFile] = &fstest.MapFile{Data: append([]byte(nil), strings.Replace(string(three[PaymentsFile].Data), "5", "6", 1)...)}
	for name, tc := range map[string]struct {
		fsys    fstest.MapFS
		conf    string
		at      int
		failure string
	}{
		"the same":                        {three, options + fmt.Sprintf(keep, true, "here"), 3, ""},
		"another speed":                   {three, options + "speed: 10\nmax_gap: 1s\nuntil: 2030-01-01\nbatch_size: 1\n" + fmt.Sprintf(keep, true, "here"), 3, ""},
		"not resumed":                     {three, options + fmt.Sprintf(keep, false, "here"), 0, ""},
		"other topics":                    {three, options + fmt.Sprintf(keep, true, "there"), 0, ""},
		"no position":                     {three, options + fmt.Sprintf(strings.ReplaceAll(keep, "position", "none"), true, "here"), 0, ""},
		"limit was 3 and is 2":            {three, "limit: 2\nduplicates: 0.5\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		"duplicates was 0.5 and is 0":     {three, "limit: 3\ndisorder: 1s\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		"seed was 1 and is 2":             {three, options + "seed: 2\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		"seed was 1 and is not given":     {three, "limit: 3\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		"validate was true and is false":  {three, options + "validate: false\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		"rebase was false and is true":    {three, options + "rebase: now\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		"timezone was UTC and is":         {three, options + "timezone: America/Sao_Paulo\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		"start_from was not given and is": {three, options + "start_from: 2016-01-01\n" + fmt.Sprintf(keep, true, "here"), 0, ""},
		PaymentsFile + " is another file": {other, options + fmt.Sprintf(keep, true, "here"), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			write()
			at, failure := begun(t, tc.fsys, tc.conf)
			if strings.Contains(name, " was ") || strings.Contains(name, " another file") {
				if !strings.HasPrefix(failure, "the position "+path+" is of another replay (") || !strings.Contains(failure, name) || strings.Contains(failure, "\n") {
					t.Error(failure)
				}
				if p := position(t, path); p.Done != 3 {
					t.Error("a refused run has changed the position")
				}
			} else if at != tc.at || failure != "" {
				t.Error(at, failure)
			}
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, failure := begun(t, three, fmt.Sprintf(keep, true, "here")); !strings.HasPrefix(failure, "position "+path+" cannot be read") {
			t.Error(failure)
		}
	})
	t.Run("of another version", func(t *testing.T) {
		write()
		p := position(t, path)
		p.Version++
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, failure := begun(t, three, options+fmt.Sprintf(keep, true, "here")); !strings.Contains(failure, "another version of Tidemark") {
			t.Error(failure)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		if _, failure := begun(t, three, fmt.Sprintf("checkpoint: { path: %q }", filepath.Join(path, "x"))); !strings.HasPrefix(failure, "write position: ") {
			t.Error(failure)
		}
	})
}

// A replay that goes on sends at once, waits for no gap again, and has missed nothing that
// it must make up for; its times are those of the first run.
func TestResumePace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position.json")
	fsys := paced(6, 1, func(i int) time.Duration { return time.Duration(i) * time.Minute })
	conf := fmt.Sprintf("speed: \"2\"\nrebase: now\ncheckpoint: { path: %q, resume: true }", path)
	c := &clock{at: time.UnixMilli(1_900_000_000_000)}
	in := newInput(t, fsys, conf, c)
	var times []string
	read := func(in *input, batches int) {
		for range batches {
			batch, ack, err := in.ReadBatch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, meta(t, batch[0], "kafka_timestamp_ms"))
			if err := ack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := in.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	read(in, 3)
	if err := in.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(time.Hour) // nothing runs
	in = newInput(t, fsys, conf, c)
	if err := in.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	read(in, 3)
	if got := fmt.Sprint(c.waits); got != "[30s 30s 30s 30s]" {
		t.Error(got)
	}
	if want := "[1899999700000 1899999760000 1899999820000 1899999880000 1899999940000 1900000000000]"; fmt.Sprint(times) != want {
		t.Error(times)
	}
	if a := in.summary.Account(); a.Takes != time.Minute {
		t.Error(a.Takes)
	}
	if err := in.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAccountTellsWhatIsLeft(t *testing.T) {
	begun := time.UnixMilli(0)
	tally := newTally()
	tally.Delivered[TopicOrders] = 10
	for _, tc := range []struct {
		account Account
		rate    float64
		want    string
	}{
		{Account{Total: 110, Tally: tally}, 10, "10s true"},
		{Account{Total: 110, Tally: tally}, 0, "0s false"},
		{Account{Total: 10, Tally: tally}, 0, "0s true"},
		{Account{Total: 110, Tally: tally, Earlier: tally}, 9, "10s true"},
		// A paced replay: five minutes have gone by.
		{Account{Total: 110, Tally: tally, Begun: begun, Next: 6 * time.Minute, Takes: time.Hour}, 10, "55m0s true"},
		{Account{Total: 110, Tally: tally, Begun: begun, Next: 4 * time.Minute, Takes: time.Hour}, 10, "55m0s true"},
		{Account{Total: 110, Tally: tally, Begun: begun, Next: 4 * time.Minute, Takes: time.Hour}, 0.01, "2h46m40s true"},
		{Account{Total: 110, Tally: tally, Begun: begun, Next: time.Minute, Takes: time.Minute}, 2, "50s true"},
		{Account{Total: 110, Tally: tally, Takes: time.Minute}, 0, "0s false"},
	} {
		left, known := tc.account.Left(begun.Add(5*time.Minute), tc.rate)
		if got := fmt.Sprint(left, known); got != tc.want {
			t.Errorf("%+v at %v/s: %s, want %s", tc.account, tc.rate, got, tc.want)
		}
	}
}
