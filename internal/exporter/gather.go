package exporter

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// told are metrics with their series.
type told = []*dto.MetricFamily

// gather reads what the stock exporter serves. It is in the process, so no network is in
// between, and nobody negotiates: the answer is the plain text format.
func gather(stock http.Handler) (told, error) {
	answer := httptest.NewRecorder()
	stock.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		return nil, fmt.Errorf("the stock exporter answers %d: %s", answer.Code, answer.Body)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	byName, err := p.TextToMetricFamilies(answer.Body)
	if err != nil {
		return nil, err
	}
	all := make(told, 0, len(byName))
	for _, f := range byName {
		all = append(all, f)
	}
	return all, nil
}
