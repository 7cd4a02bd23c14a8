package streams

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"
)

func (d database) letters(l *letters) (found DeadLetters) {
	d.t.Helper()
	err := d.Read(d.t.Context(), func(tx *sql.Tx) (err error) {
		found, err = l.read(d.t.Context(), tx)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

func TestLetters(t *testing.T) {
	d := newDatabase(t)
	clock := time.Unix(0, 0)
	l := &letters{now: func() time.Time { return clock }}
	if got := d.letters(l); got.Total != 0 || got.Groups == nil || len(got.Groups) != 0 {
		t.Errorf("without letters: %+v", got)
	}
	d.exec(`insert into dead_letter_events (stream, topic, partition, "offset", event_time, reason, detail, payload, seen_at)
		select 's', 't', 0, n, '2018-01-01Z', 'late', 'd' || n, repeat('é', 500), '2026-01-01Z'::timestamptz + n * interval '1 s' from generate_series(1, 5) as n`,
		`insert into dead_letter_events (stream, topic, partition, "offset", reason, seen_at) values
			('s', 'u', 1, 7, 'invalid', '2026-01-02Z'), ('r', 'u', 1, 7, 'invalid', '2026-01-02Z')`)
	got := d.letters(l)
	if got.Total != 7 || len(got.Groups) != 3 {
		t.Fatalf("%+v", got)
	}
	var order []string
	for _, g := range got.Groups {
		order = append(order, fmt.Sprintf("%s/%s %d of %d", g.Stream, g.Reason, len(g.Examples), g.Count))
	}
	if text := strings.Join(order, ", "); text != "r/invalid 1 of 1, s/invalid 1 of 1, s/late 3 of 5" {
		t.Error(text)
	}
	late := got.Groups[2]
	x := late.Examples[0]
	if !late.Newest.Equal(time.Date(2026, 1, 1, 0, 0, 5, 0, time.UTC)) || x.Offset != 5 || late.Examples[2].Offset != 3 || x.Detail != "d5" ||
		x.Payload != strings.Repeat("é", letterCut) || x.EventTime == nil || !x.SeenAt.Equal(late.Newest) {
		t.Errorf("%+v", late)
	}
	if e := got.Groups[0].Examples[0]; e.EventTime != nil || e.Detail != "" || e.Payload != "" || e.Partition != 1 {
		t.Errorf("a letter with nothing in it: %+v", e)
	}
}

// TestLettersAreReadSeldom: what takes long to read is read the more seldom.
func TestLettersAreReadSeldom(t *testing.T) {
	d := newDatabase(t)
	clock, reads := time.Unix(0, 0), 0
	l := &letters{now: func() time.Time {
		clock = clock.Add(50 * time.Millisecond) // a read takes two of these
		return clock
	}}
	d.exec(`insert into dead_letter_events (stream, topic, partition, "offset", reason) values ('s', 't', 0, 0, 'late')`)
	last := int64(0)
	for i := range 100 {
		if got := d.letters(l).Total; got != last {
			reads, last = reads+1, got
		}
		d.exec(fmt.Sprintf(`insert into dead_letter_events (stream, topic, partition, "offset", reason) values ('s', 't', 0, %d, 'late')`, i+1))
	}
	if reads < 3 || reads > 10 {
		t.Errorf("read %d times in 5 s", reads)
	}
}

// BenchmarkLetters reads a million letters, half a kilobyte each.
func BenchmarkLetters(b *testing.B) {
	d := newDatabase(b)
	d.exec(`insert into dead_letter_events (stream, topic, partition, "offset", event_time, reason, detail, payload, seen_at)
		select 'stream' || n % 4, 'topic' || n % 3, n % 6, n, '2018-01-01Z', (array['late', 'orphan', 'invalid'])[1 + n % 3], 'why', repeat(md5(n::text), 16),
			'2026-01-01Z'::timestamptz + n / 1000 * interval '1 s' from generate_series(1, 1000000) as n`, "vacuum analyze dead_letter_events")
	for b.Loop() {
		if got := d.letters(&letters{now: time.Now}); got.Total != 1_000_000 {
			b.Fatal(got.Total)
		}
	}
}
