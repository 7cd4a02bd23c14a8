package forecast

// composed is a model that is made of others.
type composed interface {
	Model
	parts() []Model
	compose(parts []Fitted) Fitted
}

// fits fits models to one history, each once.
type fits struct {
	history []float64
	shape   Shape
	known   map[string]Fitted
}

func (f fits) of(m Model) Fitted {
	if known := f.known[m.Name()]; known != nil {
		return known
	}
	var fitted Fitted
	if c, ok := m.(composed); ok {
		var parts []Fitted
		for _, p := range c.parts() {
			parts = append(parts, f.of(p))
		}
		fitted = c.compose(parts)
	} else {
		fitted = m.Fit(f.history, f.shape)
	}
	f.known[m.Name()] = fitted
	return fitted
}
