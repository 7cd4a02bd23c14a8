package boards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// jump lists ranges of the data. A click shows one: data may be of any year, replayed,
// generated or live, and Grafana's own quick ranges count back from the clock. Windows
// of the table are as long as window says; beyond reaches past them, for forecasts.
func jump(uid, windows, window, beyond string) *panel {
	p := listed("Show", "Ranges of the data, counted back from its newest window and not from the clock. Click one to see it.",
		rows(fmt.Sprintf(`select
    r.name as "Show",
    greatest(d.oldest, d.newest - r.length) as "From",
    (extract(epoch from greatest(d.oldest, d.newest - r.length)) * 1000)::bigint::text as from_ms,
    (extract(epoch from d.newest + interval '%s') * 1000)::bigint::text as to_ms
from (
    select
        (select min(window_start) from %s) as oldest,
        (select max(window_start) from %[2]s) + interval '%[3]s' as newest
) as d
cross join (
    values
    (1, 'last hour of data', interval '1 hour'),
    (2, 'last 24 hours of data', interval '24 hours'),
    (3, 'last 7 days of data', interval '168 hours'),
    (4, 'last 30 days of data', interval '720 hours'),
    (5, 'last 90 days of data', interval '2160 hours'),
    (6, 'all data', null)
) as r (place, name, length)
where d.newest is not null
order by r.place`, beyond, windows, window))).unit(units.String)
	return p.column("Show", link("Show it", "/d/"+uid+"?from=${__data.fields.from_ms}&to=${__data.fields.to_ms}&${__all_variables}")).
		column("From", unit(units.DatetimeISO)).
		column("from_ms", hidden()...).
		column("to_ms", hidden()...)
}
