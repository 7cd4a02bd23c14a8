package forecast

// Chosen is the name under which [Config.Evaluate] reports the model that was chosen at
// the time of each forecast.
const Chosen = "chosen"

// Evaluation is what a model's forecasts came to, over origins and horizons.
type Evaluation struct {
	Model string
	// Origins and Points are the numbers of forecasts and of values in them.
	Origins, Points int
	// MASE and Pinball are mean losses; Coverage80 and Coverage95 are shares.
	MASE, Pinball, Coverage80, Coverage95 float64
}

// Evaluate forecasts a history from the given origins, ascending, as if each were its
// end: models are fitted and chosen anew every reselect steps, from what lies before.
// The first result is that of the chosen models, then each model has one; a model that
// lacks a forecast for some origin, since the history is too short there, has none.
// Origins that are too early for any forecast are left out. Values behind the end of the
// history count nowhere.
func (c Config) Evaluate(history []float64, origins []int, reselect int) []Evaluation {
	chosen := &tally{name: Chosen}
	tallies := map[string]*tally{}
	for len(origins) > 0 {
		at := origins[0]
		best, trials := c.Choose(history[:at])
		if best.Model == nil {
			origins = origins[1:]
			continue
		}
		n := 1
		for n < len(origins) && origins[n] < at+reselect {
			n++
		}
		for _, trial := range trials {
			name := trial.Model.Name()
			if tallies[name] == nil {
				tallies[name] = &tally{name: name}
			}
			r := c.Backtest.roll(history, trial.Fitted, c.Horizon, c.Backtest.start(at), origins[:n]...)
			for _, o := range origins[:n] {
				t := r.tally(history, o)
				tallies[name].add(t)
				if name == best.Model.Name() {
					chosen.add(t)
				}
			}
		}
		origins = origins[n:]
	}
	if chosen.origins == 0 {
		return nil
	}
	period := c.Periods[len(c.Periods)-1]
	all := []Evaluation{chosen.evaluation(history, period)}
	for _, m := range c.Models {
		if t := tallies[m.Name()]; t != nil && t.origins == chosen.origins {
			all = append(all, t.evaluation(history, period))
		}
	}
	return all
}

// tally collects what forecasts came to.
type tally struct {
	name           string
	origins        int
	pinball        float64
	means, actuals []float64
	in80, in95     int
}

// tally is what the forecast from an origin came to.
func (r rolling) tally(history []float64, origin int) *tally {
	t := &tally{origins: 1}
	c := r.calibrationAt(r.backtest.start(origin), origin)
	for h, v := range r.paths[origin] {
		if origin+h >= len(history) {
			break
		}
		y := history[origin+h]
		d := c.distribution(h, v)
		p := d.point()
		t.actuals, t.means = append(t.actuals, y), append(t.means, p.Mean)
		t.pinball += d.loss(y)
		if p.Lower80 <= y && y <= p.Upper80 {
			t.in80++
		}
		if p.Lower95 <= y && y <= p.Upper95 {
			t.in95++
		}
	}
	return t
}

func (t *tally) add(o *tally) {
	t.origins += o.origins
	t.pinball += o.pinball
	t.means, t.actuals = append(t.means, o.means...), append(t.actuals, o.actuals...)
	t.in80, t.in95 = t.in80+o.in80, t.in95+o.in95
}

func (t *tally) evaluation(history []float64, period int) Evaluation {
	n := float64(len(t.actuals))
	return Evaluation{
		Model: t.name, Origins: t.origins, Points: len(t.actuals),
		MASE:    MASE(history, period, t.means, t.actuals),
		Pinball: t.pinball / n, Coverage80: float64(t.in80) / n, Coverage95: float64(t.in95) / n,
	}
}
