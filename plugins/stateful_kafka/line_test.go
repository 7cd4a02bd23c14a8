package statefulkafka

import (
	"context"
	"testing"
	"time"
)

// follow constructs the input of a running stream once more and runs it, as Benthos does
// when the old one does not stop in time. It returns when the new one has connected.
func (s *stream) follow() (in *input, end func()) {
	s.w.Helper()
	in, err := s.make()
	if err != nil {
		s.w.Fatal(err)
	}
	if err := in.Connect(s.w.Context()); err != nil {
		s.w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b, ack, err := in.ReadBatch(ctx)
			if err != nil {
				return
			}
			_ = ack(ctx, s.consume(ctx, b)) // what the output says is for the task
		}
	}()
	return in, func() {
		cancel()
		<-done
		if err := in.Close(context.Background()); err != nil {
			s.w.Error(err)
		}
	}
}

// TestSecondWaitsForTheFirst: a second instance of a stream in the same process waits
// until the first is gone.
func TestSecondWaitsForTheFirst(t *testing.T) {
	records := shoppers(51, 3)
	want := undisturbed(t, records)
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(records...)
		a := w.start(endless, slowly(100*time.Millisecond))
		time.Sleep(3 * time.Second)
		go func() {
			time.Sleep(4 * time.Second)
			a.stop()
		}()
		begun := time.Now()
		b, end := a.follow()
		if took := time.Since(begun); took < 4*time.Second || took > 5*time.Second {
			t.Errorf("it waits %v", took)
		}
		w.within(2*time.Second, "the second has all", func() bool { return len(b.owns()) == 3 && w.runs() == 6 })
		time.Sleep(2 * time.Second)
		end()
		healthy(t, a)
		if w.db.fenced > 0 {
			t.Errorf("%d writes were fenced", w.db.fenced)
		}
		w.outcome(w.start(funnel, nil).wait()).want(t, want)
	}, shopTopics)
}

// TestSecondTakesOver: where the first does not end within 10 s, the second takes its
// tasks by fencing, and the first does no harm when it ends.
func TestSecondTakesOver(t *testing.T) {
	records := shoppers(52, 3)
	want := undisturbed(t, records)
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(records...)
		a := w.start(endless, slowly(300*time.Millisecond))
		time.Sleep(2 * time.Second)
		begun := time.Now()
		b, end := a.follow()
		if took := time.Since(begun); took < turnPatience || took > turnPatience+time.Second {
			t.Errorf("it waits %v", took)
		}
		w.within(3*time.Second, "the second has all", func() bool { return len(b.owns()) == 3 && len(a.owns()) == 0 && w.runs() == 6 })
		time.Sleep(2 * time.Second)
		before := w.generations()
		a.stop()
		time.Sleep(5 * time.Second)
		for p, g := range w.generations() {
			if g != before[p] {
				t.Errorf("the end of the first disturbs task %d", p)
			}
		}
		if len(b.owns()) != 3 {
			t.Errorf("the second has %v", b.owns())
		}
		end()
		healthy(t, a)
		w.outcome(w.start(funnel, nil).wait()).want(t, want)
	}, shopTopics)
}
