package filter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/bloblang"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

var schema = event.NewSchema("t", "s", "n", "d", "b", "o", "items.price")

func row(s string, n int64, cents int64, b bool) *event.Row {
	return &event.Row{Schema: schema, Values: []event.Value{
		event.StringOf(s), event.IntOf(n), event.DecimalOf(cents, 2), event.BoolOf(b), {}, event.DecimalOf(cents, 2),
	}}
}

func TestMatch(t *testing.T) {
	r := row("paid", 3, 1050, true)
	for text, want := range map[string]bool{
		`this.s == "paid"`:                          true,
		`s != "paid"`:                               false,
		`this.n >= 3 && this.d == 10.5`:             true,
		`this.n > 3 || this.d < 10.51`:              true,
		`!(this.n == 3)`:                            false,
		`this.b`:                                    true,
		`!this.b || this.o == null`:                 true,
		`this.o != null`:                            false,
		`this.o < 1`:                                false,
		`["open", "paid"].contains(this.s)`:         true,
		`!["open"].contains(this.s)`:                true,
		`this.items.price > 10 && this.n != -1`:     true,
		`this.s == "paid" && this.n == 4 || this.b`: true,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := e.Compile().Match(r); got != want {
			t.Errorf("%s = %v, want %v", text, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                   "want a field",
		`this.a ==`:          "got the end",
		`this.a = 1`:         "'=' is not known",
		`(this.a == 1`:       `want ")"`,
		`this.a == "x`:       "not closed",
		`this.s.uppercase()`: `"uppercase" is not known`,
		`["a"].foo(this.s)`:  "contains",
		`this.a == 1 this.b`: "an operator or the end",
		`this`:               "after this",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// TestMeansWhatBloblangMeans compares random conditions with Bloblang itself.
func TestMeansWhatBloblangMeans(t *testing.T) {
	leaf := rapid.Custom(func(t *rapid.T) string {
		op := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}).Draw(t, "op")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return fmt.Sprintf("this.n %s %d", op, rapid.IntRange(-2, 2).Draw(t, "n"))
		case 1:
			return fmt.Sprintf("this.d %s %d.%d", op, rapid.IntRange(0, 2).Draw(t, "i"), rapid.IntRange(0, 9).Draw(t, "f"))
		case 2:
			return fmt.Sprintf("this.s %s %q", op, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "s"))
		default:
			return `["a", "c"].contains(this.s)`
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		text := leaf.Draw(t, "first")
		for range rapid.IntRange(0, 3).Draw(t, "more") {
			next := leaf.Draw(t, "next")
			switch rapid.IntRange(0, 2).Draw(t, "join") {
			case 0:
				text = fmt.Sprintf("(%s && %s)", text, next)
			case 1:
				text = fmt.Sprintf("(%s || %s)", text, next)
			default:
				text = fmt.Sprintf("!(%s) && %s", text, next)
			}
		}
		r := row(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "rs"), rapid.Int64Range(-2, 2).Draw(t, "rn"), rapid.Int64Range(0, 300).Draw(t, "rd"), true)
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		x, err := bloblang.Parse("root = " + text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := x.Query(r.Map())
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Compile().Match(r); got != want {
			t.Fatalf("%s on %s = %v, Bloblang says %v", text, r.Text(), got, want)
		}
	})
}

// TestCanonical: conditions that differ in their spaces alone are the same, others not.
func TestCanonical(t *testing.T) {
	canonical := func(text string) string {
		t.Helper()
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return e.Canonical()
	}
	want := canonical(`this.a == "x  y" && !["b", "c"].contains(this.d)`)
	if got := canonical("this.a==\"x  y\"\n  &&\t! [\"b\",\"c\"] . contains( this.d )"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, other := range []string{`this.a == "x y" && !["b", "c"].contains(this.d)`, `this.a == "x  y" && !["b"].contains(this.d)`} {
		if canonical(other) == want {
			t.Errorf("%s is %s", other, want)
		}
	}
	if again := canonical(want); again != want {
		t.Errorf("%s, want %s", again, want)
	}
	if got := (*Expr)(nil).Canonical(); got != "" {
		t.Error(got)
	}
}
