package golden

import (
	"math/big"
	"testing"
	"time"
)

// The oracle's own example, computed by hand.
func TestJudge(t *testing.T) {
	week := func(n int) DropOffWindow {
		return DropOffWindow{time.Date(2018, 1, 1+7*n, 12, 0, 0, 0, time.UTC), "canceled"}
	}
	// 2, 0, 4, 2: mean 2, squared distances 0 4 4 0 in sum 8, over 3 is 2.67, above
	// the mean; the root is 1.63, and 2 + 3 * 1.63 = 6.89.
	dropped := map[DropOffWindow]int64{week(0): 2, week(2): 4, week(3): 2, week(4): 7}
	if j := Judge(dropped, nil)[week(4)]; j != (Judgement{true, true, 4, "2.00", "1.63"}) {
		t.Errorf("with the default rule: %+v", j)
	}
	dropped[week(4)] = 6
	if j := Judge(dropped, map[string]AlertRule{"*": {6, 8, big.NewRat(3, 1), 3}})[week(4)]; j.Threshold || j.Anomaly {
		t.Errorf("at the limit: %+v", j)
	}
	if j := Judge(dropped, nil)[week(3)]; j != (Judgement{false, false, 3, "2.00", "2.00"}) {
		t.Errorf("after three weeks: %+v", j)
	}
	rules := map[string]AlertRule{"*": DefaultAlertRule(), "canceled": {5, 2, big.NewRat(1, 2), 7}}
	if j := Judge(dropped, rules)[week(4)]; j != (Judgement{true, false, 2, "3.00", "1.73"}) {
		t.Errorf("with a rule of its own that wants seven: %+v", j)
	}
	dropped[week(4)] = 7
	if j := Judge(dropped, rules)[week(4)]; !j.Anomaly {
		t.Errorf("seven of seven: %+v", j)
	}
	rules["canceled"] = AlertRule{5, 2, nil, 1}
	if j := Judge(dropped, rules)[week(4)]; j.Anomaly {
		t.Errorf("turned off: %+v", j)
	}
	if j := Judge(dropped, nil)[week(0)]; j != (Judgement{false, false, 0, "null", "null"}) {
		t.Errorf("the first window: %+v", j)
	}
}
