package statefulkafka

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// simPlan is everything that befalls a simulated stream. It is a pure function of its
// seed, and names what it strikes by number: the third EndTxn of the second process,
// not "the EndTxn in progress at 4.2 s".
type simPlan struct {
	seed       uint64
	joined     bool // orders with items, instead of one topic
	partitions int32
	brokers    int
	onUpdate   bool
	batch      int
	perMessage int
	commit     time.Duration
	emit       time.Duration
	session    time.Duration
	tiny       bool // fetches of a few records
	noDisk     bool // state in memory and Kafka only
	static     bool // members have instance ids of their machines, not from their folders
	old        bool // brokers of an older version, with other transactions
	sourceTxn  bool // the records are produced in transactions, beside some that are aborted

	records  []simRecord
	slots    [][]simLife
	last     int // processes of the bounded run at the end
	troubles []simTrouble
	away     []simSpan // in which the database is away
}

type simSpan struct{ at, length time.Duration }

// simRecord is a record and when it is produced.
type simRecord struct {
	topic     string
	partition int32
	ms        int64 // event time
	value     string
	at        time.Duration
}

// simChaos is how long the faults last.
const simChaos = 14 * time.Second

// simLife is what befalls one process.
type simLife struct {
	pause    time.Duration // before it starts
	length   time.Duration // at most
	graceful bool          // its end, if it gets that far: stopped, not killed
	hasty    bool          // stopped without waiting for the outputs
	death    simDeath      // before that
	disk     simDisk       // what the next one on this machine finds
	unsynced int           // percent of what was not synced that a crash spares
	stranger bool          // the next one has another instance id
	bounded  bool          // it stops at the end that it finds
	lingers  time.Duration // if not 0, it is paused in place of its end, while the next one runs
	outages  []simOutage
	wire     []simWireFault
	latency  time.Duration // of the network, each way, at most
	out      simOutputPlan
}

// simDeath kills a process at a step: at its n-th request of a kind, before the
// request leaves, or when it has been answered but the answer was not read.
type simDeath struct {
	step  simStep
	n     int // 0 for none
	after bool
	pause time.Duration // if not 0, it is paused there, and the next one starts meanwhile
}

type simDisk int

const (
	simDiskCrashed simDisk = iota // what had been synced, and some of the rest
	simDiskLost
	simDiskOld // the disk as it was when an earlier process had ended
)

// simOutage is a time in which nothing gets through to a process.
type simOutage struct {
	simSpan
	stalled bool // all waits, and flows on later, as after SIGSTOP; else connections are cut
}

// simWireFault strikes the n-th request of a kind.
type simWireFault struct {
	step  simStep
	n     int
	what  simWireKind
	delay time.Duration
}

type simWireKind int

const (
	simLoseRequest simWireKind = iota
	simLoseAnswer
	simSlowAnswer
)

// simOutputPlan is how a process' output behaves.
type simOutputPlan struct {
	attach   time.Duration // how long it takes to connect
	write    time.Duration
	inFlight int
	refuse   []int // batches that are refused
	deny     []int // batches that are written, and then refused
	repeat   []int // writes that are made twice, as the first answer was lost
	reattach time.Duration
}

// simTrouble is an error of the cluster, or a move in it.
type simTrouble struct {
	at    time.Duration
	error int // in simErrors; those behind are moves
	count int
}

func simPlanOf(seed uint64) *simPlan {
	r := rand.New(rand.NewPCG(seed, 0x71de))
	p := &simPlan{
		seed: seed, joined: r.IntN(3) == 0, partitions: 1 + r.Int32N(3), brokers: 1 + r.IntN(2),
		onUpdate: r.IntN(3) > 0, batch: pick(r, 1, 3, 10, 1024), commit: pick(r, 100*time.Millisecond, 300*time.Millisecond, time.Second),
		emit: pick(r, 0, 100*time.Millisecond, time.Second), session: 6 * time.Second, tiny: r.IntN(3) == 0,
		noDisk: r.IntN(10) == 0, static: r.IntN(3) > 0, last: 1 + r.IntN(8)/7,
		old: r.IntN(4) == 0, sourceTxn: r.IntN(4) == 0,
	}
	p.perMessage = []int{1, 3, 1000}[seed%3]
	p.drawRecords(r)
	for range 1 + r.IntN(4)*2/3 { // up to three machines
		p.slots = append(p.slots, drawLives(r))
	}
	for range r.IntN(5) {
		e := r.IntN(len(simErrors) + 3)
		p.troubles = append(p.troubles, simTrouble{at: span(r, simChaos), error: e, count: 1 + r.IntN(3)})
	}
	if r.IntN(4) == 0 {
		p.away = append(p.away, simSpan{span(r, simChaos), span(r, 3*time.Second)})
	}
	return p
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func span(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most/time.Millisecond))) * time.Millisecond
}

func drawLives(r *rand.Rand) (lives []simLife) {
	var begun time.Duration
	for len(lives) < 5 && begun < simChaos {
		l := simLife{
			pause: pick(r, 0, 0, span(r, time.Second), span(r, 8*time.Second)), length: time.Second + span(r, 7*time.Second),
			graceful: r.IntN(3) == 0, hasty: r.IntN(3) == 0, unsynced: pick(r, 0, 50, 100), stranger: r.IntN(4) == 0,
			lingers: pick(r, 0, 0, 0, 0, span(r, 12*time.Second)),
			disk:    pick(r, simDiskCrashed, simDiskCrashed, simDiskCrashed, simDiskLost, simDiskOld), bounded: r.IntN(16) == 0,
			latency: pick(r, 0, 3*time.Millisecond, 30*time.Millisecond, span(r, 300*time.Millisecond)),
			out: simOutputPlan{
				attach: pick(r, 0, 0, span(r, 500*time.Millisecond)), write: pick(r, 0, time.Millisecond, span(r, 200*time.Millisecond)), inFlight: 1 + r.IntN(4),
			},
		}
		if r.IntN(5) > 0 {
			l.death = simDeath{pick(r, simDeadly...), 1 + r.IntN(5), r.IntN(2) == 0, pick(r, 0, 0, span(r, 12*time.Second))}
		}
		for range r.IntN(6) / 3 {
			l.outages = append(l.outages, simOutage{simSpan{span(r, 4*time.Second), pick(r, span(r, time.Second), span(r, 12*time.Second))}, r.IntN(2) == 0})
		}
		for range r.IntN(3) {
			l.wire = append(l.wire, simWireFault{pick(r, simWired...), 1 + r.IntN(6), simWireKind(r.IntN(3)), pick(r, span(r, 300*time.Millisecond), span(r, 12*time.Second))})
		}
		for _, list := range []*[]int{&l.out.refuse, &l.out.deny, &l.out.repeat} {
			if r.IntN(5) == 0 {
				*list = append(*list, r.IntN(12))
			}
		}
		if r.IntN(8) == 0 {
			l.out.reattach = 1 + span(r, 4*time.Second)
		}
		begun += l.pause + l.length
		lives = append(lives, l)
	}
	return lives
}

const (
	simDisorder  = 10_000  // ms that an event may be late
	simTTL       = 120_000 // ms that dedup remembers
	simBefore    = 20_000
	simWithin    = 90_000
	simWindow    = 60_000
	simTopic     = "a"
	simProducer  = "source" // transactional id
	simOrders    = "orders"
	simItems     = "items"
	simGroup     = "sim"
	simChangelog = simGroup + "-changelog"
)

// drawRecords draws events of some minutes, in disorder within the bound, with
// duplicates and bad ones; where there is one topic also late ones. They are produced
// while the faults last.
func (p *simPlan) drawRecords(r *rand.Rand) {
	type sent struct {
		simRecord
		order int64
	}
	var all []sent
	add := func(topic string, key int, ms int64, value string) {
		rec := simRecord{topic: topic, partition: int32(key) % p.partitions, ms: ms, value: value}
		for range 1 + r.IntN(10)/8 { // one in five twice
			all = append(all, sent{rec, ms + r.Int64N(simDisorder)})
		}
	}
	price := func() string { return fmt.Sprintf("%d.%02d", r.IntN(100), r.IntN(100)) }
	ms := int64(0)
	for i := range 30 + r.IntN(80) {
		ms += r.Int64N(6000)
		if !p.joined {
			switch id := fmt.Sprintf(`"id":"e%d"`, i); r.IntN(25) {
			case 0:
				add(simTopic, i, ms, "{garbage")
			case 1:
				add(simTopic, i, ms, `{"v":1}`)
			case 2: // late, maybe too late for dedup
				at := ms - r.Int64N(400_000)
				all = append(all, sent{simRecord{topic: simTopic, partition: int32(i) % p.partitions, ms: at, value: fmt.Sprintf(`{%s,"v":%s}`, id, price())}, ms})
			default:
				add(simTopic, i, ms, fmt.Sprintf(`{%s,"v":%s}`, id, price()))
			}
			continue
		}
		if r.IntN(10) > 0 { // else its items are orphans
			add(simOrders, i, ms, fmt.Sprintf(`{"id":"o%d","order":"o%d"}`, i, i))
		}
		for k := range r.IntN(3) {
			add(simItems, i, ms-30_000+r.Int64N(150_000), fmt.Sprintf(`{"id":"i%d.%d","order":"o%d","price":%s}`, i, k, i, price()))
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b sent) int { return cmp.Compare(a.order, b.order) })
	chunk := 1 + r.IntN(20)
	at := time.Duration(0)
	for i, s := range all {
		if i%chunk == 0 && i > 0 {
			at = simChaos * time.Duration(i) / time.Duration(len(all)) * 3 / 4
		}
		s.at = at
		p.records = append(p.records, s.simRecord)
	}
}

// tellsAll says whether the last run's account is that of all tasks.
func (p *simPlan) tellsAll() bool {
	for _, lives := range p.slots {
		for i := range lives {
			if lives[i].bounded {
				return false
			}
		}
	}
	return p.last == 1
}

// String tells the plan but for its records.
func (p *simPlan) String() string {
	var b strings.Builder
	stream := "one topic"
	if p.joined {
		stream = "orders with items"
	}
	say := func(when bool, what string) {
		if when {
			b.WriteString(", " + what)
		}
	}
	fmt.Fprintf(&b, "%s, %d records, %d partitions, %d brokers, batches of %d in messages of %d, commits every %v, emits every %v", stream, len(p.records), p.partitions, p.brokers, p.batch, p.perMessage, p.commit, p.emit)
	say(p.onUpdate, "on update")
	say(p.tiny, "tiny fetches")
	say(p.noDisk, "no disk")
	say(p.static, "fixed instance ids")
	say(p.old, "old brokers")
	say(p.sourceTxn, "records in transactions")
	fmt.Fprintf(&b, ", %d processes at the end\n", p.last)
	for _, t := range p.troubles {
		fmt.Fprintf(&b, "  at %v %d times %s\n", t.at, t.count, t.what())
	}
	for _, a := range p.away {
		fmt.Fprintf(&b, "  at %v the database is away for %v\n", a.at, a.length)
	}
	for i, s := range p.slots {
		for k := range s {
			fmt.Fprintf(&b, "  %d.%d %v\n", i, k, &s[k])
		}
	}
	return b.String()
}

func (l *simLife) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "starts after %v, ends after %v", l.pause, l.length)
	switch {
	case l.lingers > 0:
		fmt.Fprintf(&b, " paused for %v", l.lingers)
	case l.graceful && l.hasty:
		b.WriteString(" in haste")
	case l.graceful:
		b.WriteString(" in peace")
	default:
		b.WriteString(" killed")
	}
	if l.bounded {
		b.WriteString(", bounded")
	}
	if d := l.death; d.n > 0 {
		what := "killed"
		if d.pause > 0 {
			what = fmt.Sprintf("paused for %v", d.pause)
		}
		fmt.Fprintf(&b, ", or %s %d", deathAt(what, d.step, d.after), d.n)
	}
	for _, o := range l.outages {
		fmt.Fprintf(&b, "; %s at %v for %v", map[bool]string{true: "stalled", false: "cut off"}[o.stalled], o.at, o.length)
	}
	for _, f := range l.wire {
		fmt.Fprintf(&b, "; %s %s %d", f.what, f.step, f.n)
		if f.what == simSlowAnswer {
			fmt.Fprintf(&b, " by %v", f.delay)
		}
	}
	if l.latency > 0 {
		fmt.Fprintf(&b, "; latency %v", l.latency)
	}
	fmt.Fprintf(&b, "; disk %v, %d%% of what was not synced", l.disk, l.unsynced)
	if l.stranger {
		b.WriteString("; another instance follows")
	}
	o := l.out
	fmt.Fprintf(&b, "; output connects in %v, writes in %v, %d in flight", o.attach, o.write, o.inFlight)
	for what, list := range map[string][]int{"refuses": o.refuse, "writes and refuses": o.deny, "repeats": o.repeat} {
		if len(list) > 0 {
			fmt.Fprintf(&b, ", %s %v", what, list)
		}
	}
	if o.reattach > 0 {
		fmt.Fprintf(&b, ", connects again after %v", o.reattach)
	}
	return b.String()
}

func (k simWireKind) String() string {
	return [...]string{"lost is the request", "lost is the answer to", "slow is the answer to"}[k]
}

func (d simDisk) String() string { return [...]string{"as after a crash", "lost", "an old one"}[d] }

func (t simTrouble) what() string {
	switch t.error - len(simErrors) {
	case 0:
		return "leaders move"
	case 1:
		return "coordinators move"
	case 2:
		return "compaction"
	}
	e := simErrors[t.error]
	return fmt.Sprintf("%v answers %v", e.key.Name(), e.err.Message)
}
