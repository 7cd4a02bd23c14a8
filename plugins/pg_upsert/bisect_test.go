package pgupsert

import (
	"errors"
	"slices"
	"testing"

	"github.com/lib/pq"
	"pgregory.net/rapid"
)

// Exactly the refused rows come back, in order, and every other row is written once.
func TestBisect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		bad := map[int]bool{}
		for _, r := range rows {
			bad[r.index] = rapid.Float64Range(0, 1).Draw(t, "bad") < 0.1
		}
		var written []int
		refusals, err := bisect(rows, func(rs []*row) error {
			for _, r := range rs {
				if bad[r.index] {
					return &pq.Error{Code: "22003"}
				}
			}
			for _, r := range rs {
				written = append(written, r.index)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var wantBad, gotBad, wantWritten []int
		for _, r := range rows {
			if bad[r.index] {
				wantBad = append(wantBad, r.index)
			} else {
				wantWritten = append(wantWritten, r.index)
			}
		}
		for _, r := range refusals {
			gotBad = append(gotBad, r.row.index)
		}
		if !slices.Equal(gotBad, wantBad) || !slices.Equal(written, wantWritten) {
			t.Fatalf("refused %v, want %v; written %v, want %v", gotBad, wantBad, written, wantWritten)
		}
	})
}

func TestBisectNeedsFewCalls(t *testing.T) {
	rows := make([]*row, 1024)
	for i := range rows {
		rows[i] = &row{index: i}
	}
	calls := 0
	_, err := bisect(rows, func(rs []*row) error {
		calls++
		if slices.ContainsFunc(rs, func(r *row) bool { return r.index == 700 }) {
			return &pq.Error{Code: "23502"}
		}
		return nil
	})
	if err != nil || calls != 21 { // the whole, then two halves ten times
		t.Errorf("%d calls, error %v", calls, err)
	}
}

// Two rows that Postgres takes for one are parted, and both are written.
func TestBisectPartsEqualKeys(t *testing.T) {
	written := 0
	refusals, err := bisect([]*row{{}, {}}, func(rs []*row) error {
		if len(rs) > 1 {
			return &pq.Error{Code: "21000"}
		}
		written++
		return nil
	})
	if err != nil || len(refusals) != 0 || written != 2 {
		t.Errorf("%d written, refused %v, error %v", written, refusals, err)
	}
}

func TestBisectEndsAtOtherErrors(t *testing.T) {
	gone := errors.New("gone")
	calls := 0
	_, err := bisect([]*row{{}, {}}, func([]*row) error {
		if calls++; calls == 1 {
			return &pq.Error{Code: "22003"}
		}
		return gone
	})
	if !errors.Is(err, gone) || calls != 2 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}
