package exporter

import (
	"slices"
	"strings"
	"sync"

	dto "github.com/prometheus/client_model/go"
)

// hidden are series that are told no more, until they are asked for again.
type hidden struct {
	mu    sync.Mutex
	sets  []map[string]string // labels that are hidden
	shown map[string]struct{} // series with such labels that were asked for since
}

// hide hides all series that have the labels.
func (h *hidden) hide(labels map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sets = append(slices.DeleteFunc(h.sets, func(s map[string]string) bool { return same(s, labels) }), labels)
	for series := range h.shown {
		if has(strings.Split(series, "\x00")[1:], labels) {
			delete(h.shown, series)
		}
	}
}

func same(a, b map[string]string) bool {
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			return false
		}
	}
	return len(a) == len(b)
}

// has tells whether a series, as pairs of a label and its value one behind the other, has
// the labels.
func has(series []string, labels map[string]string) bool {
	n := 0
	for i := 0; i+1 < len(series); i += 2 {
		if v, ok := labels[series[i]]; ok && v == series[i+1] {
			n++
		}
	}
	return n == len(labels)
}

// isHidden tells whether the labels of a series are hidden. The caller holds h.mu.
func (h *hidden) isHidden(series []string) bool {
	return slices.ContainsFunc(h.sets, func(s map[string]string) bool { return has(series, s) })
}

// key names a series, however its labels are ordered.
func key(name string, series []string) string {
	var pairs []string
	for i := 0; i+1 < len(series); i += 2 {
		pairs = append(pairs, series[i]+"\x00"+series[i+1])
	}
	slices.Sort(pairs)
	return name + "\x00" + strings.Join(pairs, "\x00")
}

// show tells that a series is asked for.
func (h *hidden) show(name string, keys, values []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sets) == 0 {
		return
	}
	var series []string
	for i := range min(len(keys), len(values)) {
		series = append(series, keys[i], values[i])
	}
	if h.isHidden(series) {
		if h.shown == nil {
			h.shown = map[string]struct{}{}
		}
		h.shown[key(name, series)] = struct{}{}
	}
}

// filter takes out what is hidden.
func (h *hidden) filter(all told, err error) (told, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sets) == 0 {
		return all, err
	}
	for _, f := range all {
		f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool {
			var series []string
			for _, l := range m.Label {
				series = append(series, l.GetName(), l.GetValue())
			}
			_, shown := h.shown[key(f.GetName(), series)]
			return !shown && h.isHidden(series)
		})
	}
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 }), err
}
