package window

import (
	"math"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// feed adds values in their order and returns the figure, or the first refusal.
func feed(g Aggregate, values ...event.Value) (event.Value, string) {
	var a accumulator
	for i, v := range values {
		if err := a.check(&g, v); err != nil {
			return event.Value{}, err.Error()
		}
		a.add(&g, &sample{true, event.Time(i), "", v})
	}
	return a.result(&g), ""
}

func TestAggregateEdges(t *testing.T) {
	text, num, nan, inf := event.StringOf("x"), event.IntOf(1), event.FloatOf(math.NaN()), event.FloatOf(math.Inf(1))
	big := event.IntOf(math.MaxInt64)
	for _, c := range []struct {
		g      Aggregate
		values []event.Value
		want   string // the figure's key, or a part of the refusal after "!"
	}{
		{Aggregate{Kind: Count}, nil, "0"},
		{Aggregate{Kind: Sum}, nil, "0"},
		{Aggregate{Kind: Avg}, nil, "null"},
		{Aggregate{Kind: Min}, nil, "null"},
		{Aggregate{Kind: First}, nil, "null"},
		{Aggregate{Kind: Distinct}, nil, "0"},
		{Aggregate{Kind: Collect, Limit: 1}, nil, "[]"},
		{Aggregate{Kind: Sum}, []event.Value{num, text}, "!not a number"},
		{Aggregate{Kind: Avg}, []event.Value{event.BoolOf(true)}, "!not a number"},
		{Aggregate{Kind: Sum}, []event.Value{event.TimestampOf(1)}, "!not a number"},
		{Aggregate{Kind: Sum}, []event.Value{nan}, "!not a number"},
		{Aggregate{Kind: Sum}, []event.Value{inf}, "!not a number"},
		{Aggregate{Kind: Sum}, []event.Value{big, num}, "!does not fit"},
		{Aggregate{Kind: Sum}, []event.Value{big, event.DecimalOf(1, 2)}, "!does not fit"},
		{Aggregate{Kind: Sum}, []event.Value{event.DecimalOf(1, 1), event.DecimalOf(2, 1)}, "0.3"},
		{Aggregate{Kind: Avg}, []event.Value{event.IntOf(1), event.IntOf(2), event.IntOf(2)}, "1.666667"},
		{Aggregate{Kind: Avg}, []event.Value{event.IntOf(-1), event.IntOf(-2), event.IntOf(-2)}, "-1.666667"},
		{Aggregate{Kind: Avg}, []event.Value{big}, "9223372036854775807"},
		{Aggregate{Kind: Avg}, []event.Value{event.IntOf(1700000000000000), event.IntOf(1700000000000001)}, "1700000000000000.5"},
		{Aggregate{Kind: Avg}, []event.Value{event.DecimalOf(1, 9), event.DecimalOf(2, 9)}, "0.000000002"},
		{Aggregate{Kind: Min}, []event.Value{num, text}, "!have no order"},
		{Aggregate{Kind: Max}, []event.Value{event.JSONOf("[]")}, "!has no order"},
		{Aggregate{Kind: Min}, []event.Value{nan}, "!has no order"},
		{Aggregate{Kind: Min}, []event.Value{event.BoolOf(true), event.BoolOf(false)}, "false"},
		{Aggregate{Kind: Max}, []event.Value{event.TimestampOf(5), event.TimestampOf(-5)}, "5"},
		{Aggregate{Kind: Max}, []event.Value{event.IntOf(9), event.DecimalOf(95, 1), event.FloatOf(9.25)}, "9.5"},
		{Aggregate{Kind: Distinct}, []event.Value{event.IntOf(1), event.DecimalOf(10, 1), event.FloatOf(1), event.IntOf(2)}, "2"},
		{Aggregate{Kind: Collect, Limit: 2, Smallest: true}, []event.Value{num, text}, "!have no order"},
		{Aggregate{Kind: Collect, Limit: 2, Smallest: true}, []event.Value{event.JSONOf("{}")}, "!has no order"},
		{Aggregate{Kind: Collect, Limit: 2}, []event.Value{num, text, num}, `[1,"x"]`},
		{Aggregate{Kind: Collect, Limit: 9}, []event.Value{event.JSONOf(`[1.50]`), event.DecimalOf(150, 2), event.BoolOf(true)}, `[[1.50],1.50,true]`},
		{Aggregate{Kind: Collect, Limit: 9}, []event.Value{nan}, "!cannot be written"},
		{Aggregate{Kind: Collect, Limit: 3, Smallest: true}, []event.Value{num, num, event.IntOf(0)}, `[0,1,1]`},
	} {
		c.g.Field = "f"
		got, refusal := feed(c.g, c.values...)
		switch want, isRefusal := strings.CutPrefix(c.want, "!"); {
		case isRefusal && !strings.Contains(refusal, want):
			t.Errorf("%s of %v = %q %q, want a refusal with %q", c.g.Kind, c.values, show(got), refusal, want)
		case !isRefusal && (refusal != "" || show(got) != want):
			t.Errorf("%s of %v = %q %q, want %q", c.g.Kind, c.values, show(got), refusal, want)
		}
	}
}

// TestFirstAndLastOfTheSameInstant: events of one time go by their id; of one id, as
// two changes of one anchor behind a join have it, by their arrival.
func TestFirstAndLastOfTheSameInstant(t *testing.T) {
	for _, c := range []struct{ kind, want string }{{First, "a"}, {Last, "c2"}} {
		var a accumulator
		g := Aggregate{Kind: c.kind}
		for _, s := range []sample{{true, 5, "b", event.StringOf("b")}, {true, 5, "c", event.StringOf("c1")}, {true, 5, "a", event.StringOf("a")}, {true, 5, "c", event.StringOf("c2")}, {true, 5, "a", event.StringOf("a2")}} {
			a.add(&g, &s)
		}
		if got := a.result(&g).Str(); got != c.want {
			t.Errorf("%s is %s, want %s", c.kind, got, c.want)
		}
	}
	var a accumulator
	g := Aggregate{Kind: Collect, Limit: 4}
	for _, s := range []sample{{true, 5, "c", event.IntOf(3)}, {true, 5, "c", event.IntOf(4)}, {true, 5, "c", event.IntOf(5)}, {true, 4, "z", event.IntOf(1)}, {true, 5, "b", event.IntOf(2)}} {
		a.add(&g, &s)
	}
	if got := a.result(&g).Str(); got != "[1,2,3,4]" {
		t.Errorf("collected %s", got)
	}
}
