package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// static is an instance id, or none.
func static(yes bool, name string) string {
	if yes {
		return "id-" + name
	}
	return ""
}

func TestJoinsAndLeaves(t *testing.T) {
	for _, yes := range []bool{false, true} {
		t.Run(fmt.Sprintf("static=%t", yes), func(t *testing.T) {
			inWorld(t, func(w *world) {
				x := w.join("x", static(yes, "x"))
				w.after(5 * time.Second)
				w.shared(x)
				y := w.join("y", static(yes, "y"))
				w.after(5 * time.Second)
				w.shared(x, y)
				z := w.join("z", static(yes, "z"))
				w.after(5 * time.Second)
				w.shared(x, y, z)
				// Far below the session timeout: what leaves says so.
				x.drop()
				w.must(x.Leave(w.Context()))
				w.after(5 * time.Second)
				w.shared(y, z)
				z.drop()
				w.must(z.Leave(w.Context()))
				w.after(5 * time.Second)
				w.shared(y)
				for _, p := range []*process{x, y, z} {
					if p.logged() != "" {
						t.Errorf("%s logged %s", p.name, p.logged())
					}
				}
			})
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		var all []*process
		for i := range 4 {
			all = append(all, w.join(fmt.Sprint(i), ""))
		}
		w.after(20 * time.Second)
		w.shared(all...)
		all[0].kill()
		all[1].kill()
		w.after(3 * session)
		w.shared(all[2], all[3])
	})
}

func TestHandingOverMayTakeLongerThanTheSession(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.joinSlow("x", "id-x", 15*time.Second)
		w.after(5 * time.Second)
		id, _, _ := x.Generation()
		x.told()
		y := w.join("y", "id-y")
		w.after(14 * time.Second)
		if n := len(y.tasks()); n != 0 {
			t.Fatalf("y has %d tasks that x has not finished", n)
		}
		w.after(10 * time.Second)
		w.shared(x, y)
		if now, _, _ := x.Generation(); now != id {
			t.Error("x was thrown out")
		}
		if got, want := x.told(), []string{"revoked[3 4 5]"}; !slices.Equal(got, want) {
			t.Errorf("x was told %v, want %v", got, want)
		}
	})
}

// A third process joins while a task is being handed over. (The broker in memory, unlike
// Kafka, throws out who waits for a round for longer than its session.)
func TestARoundDuringHandingOver(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.joinSlow("x", "id-x", 8*time.Second)
		w.after(5 * time.Second)
		y := w.join("y", "id-y")
		w.after(3 * time.Second)
		z := w.join("z", "id-z")
		w.after(60 * time.Second)
		w.shared(x, y, z)
		if slices.ContainsFunc(x.told(), func(s string) bool { return strings.HasPrefix(s, "lost") }) {
			t.Error("x was thrown out")
		}
	})
}

func TestAStaticMemberComesBack(t *testing.T) {
	inWorld(t, func(w *world) {
		x, y := w.join("x", "id-x"), w.join("y", "id-y")
		w.after(10 * time.Second)
		w.shared(x, y)
		had := x.tasks()
		y.told()
		x.drop()
		x.Close()
		w.after(session / 2)
		again := w.join("x again", "id-x")
		w.after(2 * time.Second)
		w.shared(again, y)
		if got := again.tasks(); fmt.Sprint(got) != fmt.Sprint(had) {
			t.Errorf("x had %v and was given %v", had, got)
		}
		w.after(2 * session)
		w.shared(again, y)
		if told := y.told(); len(told) > 0 {
			t.Errorf("y was told %v", told)
		}
	})
}

func TestAStaticMemberStaysAway(t *testing.T) {
	inWorld(t, func(w *world) {
		x, y := w.join("x", "id-x"), w.join("y", "id-y")
		w.after(10 * time.Second)
		w.shared(x, y)
		x.drop()
		x.Close()
		w.after(session - 2*time.Second)
		if n := len(y.tasks()); n != tasks/2 {
			t.Errorf("y has %d tasks before the session of x has ended", n)
		}
		w.after(8 * time.Second)
		w.shared(y)
	})
}

func TestAStaticMemberDiesWhileHandingOver(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.joinSlow("x", "id-x", 15*time.Second)
		w.after(5 * time.Second)
		y := w.join("y", "id-y")
		w.after(5 * time.Second)
		x.kill()
		again := w.join("x again", "id-x")
		w.after(20 * time.Second)
		w.shared(again, y)
	})
}

// A coordinator may keep an assignment in which a task is nobody's: see check.
func TestATaskOfNobodyIsFound(t *testing.T) {
	inWorld(t, func(w *world) {
		first := true
		w.cluster.ControlKey(int16(kmsg.SyncGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if sync := req.(*kmsg.SyncGroupRequest); first && len(sync.GroupAssignment) > 0 {
				first = false
				var a kmsg.ConsumerMemberAssignment
				if err := a.ReadFrom(sync.GroupAssignment[0].MemberAssignment); err != nil {
					t.Error(err)
				}
				for i := range a.Topics {
					a.Topics[i].Partitions = a.Topics[i].Partitions[1:]
				}
				sync.GroupAssignment[0].MemberAssignment = a.AppendTo(nil)
			}
			return nil, nil, false
		})
		x := w.join("x", "id-x")
		w.after(10 * time.Second)
		w.shared(x)
		if got, want := x.told(), []string{"assigned[1 2 3 4 5]", "assigned[0]"}; !slices.Equal(got, want) {
			t.Errorf("x was told %v, want %v", got, want)
		}
		_, _, generation := x.Generation()
		w.after(time.Minute)
		if _, _, now := x.Generation(); now != generation {
			t.Errorf("rounds go on: generation %d, then %d", generation, now)
		}
	})
}

func TestLostTasksComeBack(t *testing.T) {
	inWorld(t, func(w *world) {
		x, y := w.join("x", ""), w.join("y", "")
		w.after(10 * time.Second)
		w.shared(x, y)
		x.told()
		x.unplug(true)
		// A silent member's tasks move at the end of its session, whether it knows or not.
		x.drop()
		w.after(3 * session)
		if n := len(y.tasks()); n != tasks {
			t.Fatalf("y has %d tasks", n)
		}
		if told := x.told(); len(told) != 1 || !strings.HasPrefix(told[0], "lost") {
			t.Errorf("x was told %v", told)
		}
		if !strings.Contains(x.logged(), "Membership in the consumer group was lost") {
			t.Errorf("x logged %q", x.logged())
		}
		x.unplug(false)
		w.after(3 * session)
		w.shared(x, y)
	})
}

func TestTwoProcessesWithOneInstance(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.join("x", "id")
		w.after(5 * time.Second)
		x.told()
		x.drop() // as its producers are fenced
		y := w.join("y", "id")
		w.after(time.Minute)
		w.shared(y)
		if got, want := x.told(), []string{"lost[0 1 2 3 4 5]"}; !slices.Equal(got, want) {
			t.Errorf("x was told %v, want %v", got, want)
		}
		if n := strings.Count(x.logged(), "another process is the member id"); n < 1 || n > 3 {
			t.Errorf("x logged\n%s", x.logged())
		}
		y.drop()
		w.must(y.Leave(w.Context()))
		w.after(session)
		w.shared(x)
	})
}

func TestConfirm(t *testing.T) {
	inWorld(t, func(w *world) {
		joinable := w.unjoinable()
		x := w.join("x", "id-x")
		if err := x.Confirm(w.Context()); !errors.Is(err, ErrNotMember) {
			t.Errorf("before it has joined: %v", err)
		}
		joinable()
		w.after(5 * time.Second)
		w.must(x.Confirm(w.Context()))

		// While others come, the member stays one, in whatever state the round is.
		y := w.join("y", "id-y")
		for range 200 {
			w.must(x.Confirm(w.Context()))
			time.Sleep(20 * time.Millisecond)
		}
		w.after(5 * time.Second)
		w.shared(x, y)

		// Somebody else throws it out.
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group = "g"
		member := kmsg.NewLeaveGroupRequestMember()
		member.InstanceID = kmsg.StringPtr("id-x")
		req.Members = append(req.Members, member)
		x.drop()
		if _, err := req.RequestWith(w.Context(), w.client); err != nil {
			t.Fatal(err)
		}
		if err := x.Confirm(w.Context()); !errors.Is(err, ErrNotMember) {
			t.Errorf("thrown out: %v", err)
		}
		w.after(10 * time.Second)
		w.shared(x, y)
		w.must(x.Confirm(w.Context()))

		x.unplug(true)
		if err := x.Confirm(w.within(time.Second)); err == nil || errors.Is(err, ErrNotMember) {
			t.Errorf("without network: %v", err)
		}
	})
}

// A wrong generation may be one that the client has not heard of yet.
func TestConfirmOfAnotherGeneration(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.join("x", "id-x")
		w.after(5*time.Second + x.heartbeat/2) // between two heartbeats
		wrong := kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration, TopLevel: true, Count: 1}
		w.cluster.Fault(wrong)
		w.must(x.Confirm(w.Context()))

		wrong.Count = -1
		fault := w.cluster.Fault(wrong)
		if err := x.Confirm(w.within(5 * time.Second)); !errors.Is(err, ErrNotMember) {
			t.Errorf("in earnest: %v", err)
		}
		fault.Remove()
		w.after(session)
		w.shared(x)
	})
}

func TestAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.join("x", "id-x")
		alone := func(want bool) {
			t.Helper()
			if got, err := x.Alone(w.Context()); err != nil || got != want {
				t.Errorf("got %t, %v, want %t", got, err, want)
			}
		}
		w.after(5 * time.Second)
		alone(true)
		y := w.join("y", "")
		w.after(5 * time.Second)
		alone(false)
		y.drop()
		w.must(y.Leave(w.Context()))
		w.after(time.Second)
		alone(true)
	})
}

func TestEndWhileHandingOver(t *testing.T) {
	for name, end := range map[string]func(w *world, x *process){
		"close": func(_ *world, x *process) { x.Close() },
		"leave": func(w *world, x *process) { w.must(x.Leave(w.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				x := w.joinSlow("x", "id-x", 15*time.Second)
				w.after(5 * time.Second)
				y := w.join("y", "id-y")
				w.after(5 * time.Second)
				x.told()
				began := time.Now()
				x.drop()
				end(w, x)
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("took %s", took)
				}
				if told := x.told(); len(told) > 0 {
					t.Errorf("x was told %v after its end", told)
				}
				w.after(session / 2) // in either case nobody waits for the session's end
				w.shared(y)
			})
		})
	}
}

// While somebody hands tasks over for long, a round is open, and others wait in it.
func TestEndWhileARoundIsOpen(t *testing.T) {
	for _, test := range []struct {
		name   string
		static bool
		end    func(w *world, z *process)
	}{
		{"static close", true, func(_ *world, z *process) { z.Close() }},
		{"static leave", true, func(w *world, z *process) { w.must(z.Leave(w.within(time.Second))) }},
		{"dynamic close", false, func(_ *world, z *process) { z.Close() }},
		{"dynamic leave", false, func(w *world, z *process) { w.must(z.Leave(w.within(time.Second))) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				x := w.joinSlow("x", "id-x", 9*time.Second)
				w.after(5 * time.Second)
				y := w.join("y", "id-y")
				w.after(3 * time.Second)
				z := w.join("z", static(test.static, "z"))
				w.after(time.Second)
				began := time.Now()
				test.end(w, z)
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("took %s", took)
				}
				if test.name != "static close" {
					w.after(40 * time.Second)
					w.shared(x, y)
					return
				}
				again := w.join("z again", "id-z")
				w.after(time.Minute)
				w.shared(x, y, again)
			})
		})
	}
}

func TestPartitionsAreAdded(t *testing.T) {
	inWorld(t, func(w *world) {
		x := w.join("x", "id-x")
		w.after(5 * time.Second)
		x.told()
		if _, err := kadm.NewClient(w.client).CreatePartitions(w.Context(), 1, "a", "b"); err != nil {
			t.Fatal(err)
		}
		w.after(10 * time.Minute) // the client asks for metadata every five minutes
		if got, want := x.told(), []string{"assigned[6]"}; !slices.Equal(got, want) {
			t.Errorf("x was told %v, want %v", got, want)
		}
	})
}

func TestTheClusterComesLate(t *testing.T) {
	inWorld(t, func(w *world) {
		x := &process{w: w, name: "x", owned: make(map[int32]bool), cut: true}
		w.all = append(w.all, x)
		var err error
		x.Member, err = Join(Config{Brokers: []string{"localhost:9092"}, Group: "g", Topics: []string{"a", "b"},
			ClientOpts: w.opts(x), Assigned: x.assigned, Revoked: x.revoked, Lost: x.lostTasks})
		w.must(err)
		w.after(5 * time.Minute)
		x.unplug(false)
		w.after(30 * time.Second)
		w.shared(x)
	})
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []Config{{Topics: []string{"a"}}, {Group: "g"}} {
		if _, err := Join(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}
