package streams

import (
	"context"
	"database/sql"
	"time"
)

const (
	// letterExamples are shown of each group, letterCut characters of each text.
	letterExamples = 3
	letterCut      = 400
	// letterShare is which part of the time the letters may be counted in, at most: a million
	// takes longer to count than one would want each second.
	letterShare = 20
)

// letters reads dead letters, the more seldom the longer it takes.
type letters struct {
	last DeadLetters
	due  time.Time
	now  func() time.Time
}

// The index dead_letter_events_by_reason counts them, and has the newest of each group.
const lettersQuery = `
	with groups as (
		select stream, reason, count(*) as letters, max(seen_at) as newest
		from dead_letter_events
		group by stream, reason
	)
	select
		g.stream, g.reason, g.letters, g.newest,
		l.topic, l.partition, l."offset", l.event_time, coalesce(left(l.detail, $2), ''), coalesce(left(l.payload, $2), ''), l.seen_at
	from groups as g
	cross join lateral (
		select topic, partition, "offset", event_time, detail, payload, seen_at
		from dead_letter_events as d
		where d.stream = g.stream and d.reason = g.reason
		order by d.seen_at desc, d."offset" desc
		limit $1
	) as l
	order by g.stream, g.reason, l.seen_at desc, l."offset" desc`

func (l *letters) read(ctx context.Context, tx *sql.Tx) (DeadLetters, error) {
	began := l.now()
	if began.Before(l.due) {
		return l.last, nil
	}
	found, err := readLetters(ctx, tx)
	if err != nil {
		return found, err
	}
	done := l.now()
	l.last, l.due = found, done.Add((letterShare-1)*done.Sub(began))
	return found, nil
}

func readLetters(ctx context.Context, tx *sql.Tx) (d DeadLetters, err error) {
	d.Groups = []LetterGroup{}
	rows, err := tx.QueryContext(ctx, lettersQuery, letterExamples, letterCut)
	if err != nil {
		return d, err
	}
	defer rows.Close()
	for rows.Next() {
		var g LetterGroup
		var x Letter
		var at sql.NullTime
		if err := rows.Scan(&g.Stream, &g.Reason, &g.Count, &g.Newest,
			&x.Topic, &x.Partition, &x.Offset, &at, &x.Detail, &x.Payload, &x.SeenAt); err != nil {
			return d, err
		}
		x.EventTime, x.SeenAt, g.Newest = utc(at), x.SeenAt.UTC(), g.Newest.UTC()
		n := len(d.Groups)
		if n == 0 || d.Groups[n-1].Stream != g.Stream || d.Groups[n-1].Reason != g.Reason {
			d.Groups, d.Total = append(d.Groups, g), d.Total+g.Count
			n++
		}
		d.Groups[n-1].Examples = append(d.Groups[n-1].Examples, x)
	}
	return d, rows.Err()
}
