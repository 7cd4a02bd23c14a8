package group

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// someone is a member as the balancer sees it.
type someone struct {
	id         string
	topics     []string
	owned      map[string][]int32
	generation int32
}

func (s someone) join() kmsg.JoinGroupResponseMember {
	m := kmsg.NewJoinGroupResponseMember()
	m.MemberID = s.id
	m.ProtocolMetadata = balancer{}.JoinGroupMetadata(s.topics, s.owned, s.generation)
	return m
}

// plan runs a round as a client does, and returns what each member is sent.
func plan(t interface{ Fatal(...any) }, counts map[string]int32, members ...someone) map[string]map[string][]int32 {
	var joins []kmsg.JoinGroupResponseMember
	for _, m := range members {
		joins = append(joins, m.join())
	}
	b, topics, err := balancer{}.MemberBalancer(joins)
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]int32)
	for topic := range topics {
		known[topic] = counts[topic]
	}
	into, err := b.(kgo.GroupMemberBalancerOrError).BalanceOrError(known)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(map[string]map[string][]int32)
	for _, a := range into.IntoSyncAssignment() {
		parts, err := balancer{}.ParseSyncAssignment(a.MemberAssignment)
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) > 0 {
			sent[a.MemberID] = parts
		}
	}
	return sent
}

func TestBalance(t *testing.T) {
	ab := []string{"a", "b"}
	both := func(ps ...int32) map[string][]int32 { return map[string][]int32{"a": ps, "b": ps} }
	for _, test := range []struct {
		name    string
		counts  map[string]int32
		members []someone
		want    map[string]map[string][]int32
	}{
		{"one has all", map[string]int32{"a": 3, "b": 3},
			[]someone{{id: "x", topics: ab}},
			map[string]map[string][]int32{"x": both(0, 1, 2)}},
		{"two share", map[string]int32{"a": 3, "b": 3},
			[]someone{{id: "x", topics: ab}, {id: "y", topics: ab}},
			map[string]map[string][]int32{"x": both(0, 1), "y": both(2)}},
		{"more members than tasks", map[string]int32{"a": 1, "b": 1},
			[]someone{{id: "x", topics: ab}, {id: "y", topics: ab, owned: both(0), generation: 1}},
			map[string]map[string][]int32{"y": both(0)}},
		{"a newcomer waits for what is given up", map[string]int32{"a": 4, "b": 4},
			[]someone{{id: "x", topics: ab}, {id: "y", topics: ab, owned: both(0, 1, 2, 3), generation: 1}},
			map[string]map[string][]int32{"y": both(0, 1)}},
		{"and is given it when it is free", map[string]int32{"a": 4, "b": 4},
			[]someone{{id: "x", topics: ab}, {id: "y", topics: ab, owned: both(0, 1), generation: 2}},
			map[string]map[string][]int32{"x": both(2, 3), "y": both(0, 1)}},
		{"the odd one stays where it is", map[string]int32{"a": 3, "b": 3},
			[]someone{{id: "x", topics: ab, owned: both(1), generation: 2}, {id: "y", topics: ab, owned: both(0, 2), generation: 2}},
			map[string]map[string][]int32{"x": both(1), "y": both(0, 2)}},
		{"topics of different size", map[string]int32{"a": 3, "b": 1},
			[]someone{{id: "x", topics: ab}, {id: "y", topics: ab}},
			map[string]map[string][]int32{"x": {"a": {0, 1}, "b": {0}}, "y": {"a": {2}}}},
		{"a task is held while one of its partitions is", map[string]int32{"a": 2, "b": 2},
			[]someone{{id: "x", topics: ab}, {id: "y", topics: ab, owned: map[string][]int32{"a": {0, 1}}, generation: 1}},
			map[string]map[string][]int32{"y": both(0)}},
		{"of two claims the younger counts", map[string]int32{"a": 2, "b": 2},
			[]someone{{id: "x", topics: ab, owned: both(0, 1), generation: 3}, {id: "y", topics: ab, owned: both(1), generation: 5}},
			map[string]map[string][]int32{"x": both(0), "y": both(1)}},
		{"a task does not go back to a stale claim at once", map[string]int32{"a": 2, "b": 2},
			[]someone{{id: "x", topics: ab, owned: both(1), generation: 3}, {id: "y", topics: ab, owned: both(0, 1), generation: 5}},
			map[string]map[string][]int32{"y": both(0)}},
		{"who reads fewer topics has no tasks", map[string]int32{"a": 2, "b": 2},
			[]someone{{id: "x", topics: []string{"a"}, owned: map[string][]int32{"a": {1}}, generation: 1}, {id: "y", topics: ab}},
			map[string]map[string][]int32{"y": both(0)}},
		{"no topics yet", nil, []someone{{id: "x", topics: ab}}, map[string]map[string][]int32{}},
		{"a claim beyond the tasks", map[string]int32{"a": 1, "b": 1},
			[]someone{{id: "x", topics: ab, owned: both(0, 7, -1), generation: 1}},
			map[string]map[string][]int32{"x": both(0)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := plan(t, test.counts, test.members...)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %v\nwant %v", got, test.want)
			}
		})
	}
}

func TestOtherTopicsAreWarnedOf(t *testing.T) {
	var warned []string
	b := balancer{func(message string, fields ...any) { warned = append(warned, fmt.Sprint(message, fields)) }}
	mb, _, err := b.MemberBalancer([]kmsg.JoinGroupResponseMember{
		someone{id: "x", topics: []string{"a"}}.join(), someone{id: "y", topics: []string{"a", "b"}}.join(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mb.(kgo.GroupMemberBalancerOrError).BalanceOrError(map[string]int32{"a": 1, "b": 1}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Members of the consumer group read other topics: they are given no tasks[members 1 of 2 topics [a b]]"}; !slices.Equal(warned, want) {
		t.Errorf("got %q", warned)
	}
}

// model is a group over several rounds: what a member holds, it gives up only between
// rounds, as the protocol has it.
type model struct {
	topics     []string
	counts     map[string]int32
	members    map[string]*someone
	generation int32
	next       int
}

// round lets all members join, the given ones too late: they miss the generation.
// It returns how many tasks changed hands or were given up.
func (m *model) round(t *rapid.T, late map[string]bool) (moved int) {
	m.generation++
	var joining []someone
	for _, id := range slices.Sorted(maps.Keys(m.members)) {
		if !late[id] {
			joining = append(joining, *m.members[id])
		}
	}
	if len(joining) == 0 {
		return 0
	}
	sent := plan(t, m.counts, joining...)
	if again := plan(t, m.counts, joining...); fmt.Sprint(again) != fmt.Sprint(sent) {
		t.Fatalf("plans differ: %v, %v", sent, again)
	}
	for _, s := range joining {
		held := m.members[s.id]
		for p := range max(m.counts["a"], m.counts["b"]) {
			had, has := holds(held.owned, p), holds(sent[s.id], p)
			if has && !had {
				m.nobodyHolds(t, p, s, joining)
			}
			if had && !has {
				moved++
			}
		}
	}
	for _, s := range joining {
		m.members[s.id].owned = sent[s.id]
		m.members[s.id].generation = m.generation
	}
	return moved
}

// nobodyHolds fails if a task is given to a member while another one of the round
// still holds it. Who is not in the round is out of the group, and fenced otherwise.
func (m *model) nobodyHolds(t *rapid.T, p int32, to someone, joining []someone) {
	for _, s := range joining {
		if s.id != to.id && holds(s.owned, p) {
			t.Fatalf("task %d is given to %s while %s holds it", p, to.id, s.id)
		}
	}
}

func holds(owned map[string][]int32, p int32) bool {
	for _, ps := range owned {
		if slices.Contains(ps, p) {
			return true
		}
	}
	return false
}

// settled checks a group in which nothing has changed for two rounds.
func (m *model) settled(t *rapid.T) {
	owners := make(map[int32]string)
	least, most := int(^uint(0)>>1), 0
	for id, s := range m.members {
		n := 0
		for p := range max(m.counts["a"], m.counts["b"]) {
			if !holds(s.owned, p) {
				continue
			}
			n++
			if other, ok := owners[p]; ok {
				t.Fatalf("task %d belongs to %s and %s", p, other, id)
			}
			owners[p] = id
			for _, topic := range m.topics {
				if p < m.counts[topic] && !slices.Contains(s.owned[topic], p) {
					t.Fatalf("%s has task %d without %s", id, p, topic)
				}
			}
		}
		least, most = min(least, n), max(most, n)
	}
	if n := int(max(m.counts["a"], m.counts["b"])); len(owners) != n && len(m.members) > 0 {
		t.Fatalf("%d of %d tasks have an owner", len(owners), n)
	}
	if most-least > 1 && len(m.members) > 0 {
		t.Fatalf("unbalanced: from %d to %d", least, most)
	}
}

// needed is how many tasks have to move, at least, for balance, when nobody has lost
// any: those above what a member may keep.
func (m *model) needed() (moves int) {
	n, k := int(max(m.counts["a"], m.counts["b"])), len(m.members)
	var owned []int
	for _, s := range m.members {
		c := 0
		for p := range n {
			if holds(s.owned, int32(p)) {
				c++
			}
		}
		owned = append(owned, c)
	}
	slices.Sort(owned)
	slices.Reverse(owned)
	for i, c := range owned {
		quota := n / k
		if i < n%k {
			quota++
		}
		moves += max(0, c-quota)
	}
	return moves
}

func TestRounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int32Range(1, 12)
		m := &model{topics: []string{"a", "b"}, counts: map[string]int32{"a": size.Draw(t, "a"), "b": size.Draw(t, "b")}, members: make(map[string]*someone)}
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			late := make(map[string]bool)
			ids := slices.Sorted(maps.Keys(m.members))
			switch what := rapid.SampledFrom([]string{"join", "join", "leave", "stop", "restart", "grow"}).Draw(t, "change"); {
			case what == "join":
				m.next++
				id := fmt.Sprintf("m%d", rapid.IntRange(0, 9).Draw(t, "id")*100+m.next)
				m.members[id] = &someone{id: id, topics: m.topics, generation: -1}
			case what == "grow":
				m.counts["a"], m.counts["b"] = m.counts["a"]+1, m.counts["b"]+1
			case len(ids) == 0:
			case what == "leave":
				delete(m.members, rapid.SampledFrom(ids).Draw(t, "who"))
			case what == "restart": // the member comes back and knows nothing
				id := rapid.SampledFrom(ids).Draw(t, "who")
				m.members[id] = &someone{id: id, topics: m.topics, generation: -1}
			case what == "stop": // it is thrown out and comes back with what it had
				late[rapid.SampledFrom(ids).Draw(t, "who")] = true
			}
			quiet := len(late) == 0
			needed := 0
			if len(m.members) > 0 {
				needed = m.needed()
			}
			moved := m.round(t, late)
			for range 3 { // those who gave up a task join again; so does who was late
				moved += m.round(t, nil)
			}
			if quiet && moved > needed {
				t.Fatalf("%d tasks moved where %d had to", moved, needed)
			}
			if m.round(t, nil) != 0 {
				t.Fatal("tasks move although nothing changed")
			}
			m.settled(t)
		}
	})
}
