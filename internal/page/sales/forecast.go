package sales

import (
	"context"
	"database/sql"
	"time"
)

// forecast is the newest one, hour by hour.
type forecast struct {
	madeAt time.Time
	model  string
	hours  []forecastHour
}

type forecastHour struct {
	t                                            int64
	forecast, lower80, upper80, lower95, upper95 cents
}

// newestForecast is nil where there is none. Of several models, the first by name counts,
// as in v_gmv_forecast.
func newestForecast(ctx context.Context, tx *sql.Tx) (*forecast, error) {
	rows, err := tx.QueryContext(ctx, `
	select distinct on (target_hour)
		made_at, model, extract(epoch from target_hour)::bigint, (forecast * 100)::bigint,
		(lower_80 * 100)::bigint, (upper_80 * 100)::bigint, (lower_95 * 100)::bigint, (upper_95 * 100)::bigint
	from gmv_forecast
	where made_at = (select max(newest.made_at) from gmv_forecast as newest)
	order by target_hour, model`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var f *forecast
	for rows.Next() {
		var madeAt time.Time
		var model string
		var h forecastHour
		if err := rows.Scan(&madeAt, &model, &h.t, &h.forecast, &h.lower80, &h.upper80, &h.lower95, &h.upper95); err != nil {
			return nil, err
		}
		if f == nil {
			f = &forecast{madeAt: madeAt.UTC(), model: model}
		}
		f.hours = append(f.hours, h)
	}
	return f, rows.Err()
}

// answer is the forecast beside buckets of that length: hours, or the whole days among
// them; nil where there is none.
func (f *forecast) answer(bucket int64) *Forecast {
	if f == nil {
		return nil
	}
	a := &Forecast{
		MadeAt: f.madeAt, Model: f.model, Bucket: "hour", T: []int64{}, Forecast: []float64{},
		Lower80: []float64{}, Upper80: []float64{}, Lower95: []float64{}, Upper95: []float64{},
	}
	if bucket == day {
		a.Bucket = "day"
		for i := 0; i+24 <= len(f.hours); {
			first := f.hours[i].t
			if first != floor(first, day) || f.hours[i+23].t != first+23*hour {
				i++
				continue
			}
			var sum cents
			for _, h := range f.hours[i : i+24] {
				sum += h.forecast
			}
			a.T, a.Forecast = append(a.T, first), append(a.Forecast, sum.number())
			i += 24
		}
		if len(a.T) == 0 {
			return nil
		}
		return a
	}
	for _, h := range f.hours {
		a.T = append(a.T, h.t)
		a.Forecast = append(a.Forecast, h.forecast.number())
		a.Lower80, a.Upper80 = append(a.Lower80, h.lower80.number()), append(a.Upper80, h.upper80.number())
		a.Lower95, a.Upper95 = append(a.Lower95, h.lower95.number()), append(a.Upper95, h.upper95.number())
	}
	return a
}
