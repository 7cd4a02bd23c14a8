package filter

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

func TestNever(t *testing.T) {
	given := &event.Row{Schema: event.NewSchema("", "change"), Values: []event.Value{event.StringOf("closed")}}
	for text, want := range map[string]bool{
		`this.change != "closed"`:                                    true,
		`this.change == "closed"`:                                    false,
		`this.change == "items" && this.items_count == 1`:            true,
		`this.items_count == 1 && this.change == "items"`:            true,
		`this.items_count == 1 || this.change == "items"`:            false,
		`this.change == "items" || this.change == "anchor"`:          true,
		`!(this.change == "closed" || this.items_count == 1)`:        true,
		`!(this.change == "closed" && this.items_count == 1)`:        false,
		`["items", "anchor"].contains(this.change)`:                  true,
		`this.items_count == 1`:                                      false,
		`this.change`:                                                true,
		`false`:                                                      true,
		`this.change == this.other`:                                  false,
		`!this.change || this.change == "x" && this.items_count > 1`: false,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := e.Never(given); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if (*Expr)(nil).Never(given) {
		t.Error("no condition holds for every row")
	}
}

// A condition that never holds for the fields that are given holds for no row with them.
func TestNeverIsNever(t *testing.T) {
	atoms := []string{`this.a == 1`, `this.a > 1`, `this.b == 1`, `this.b < 2`, `this.c`, `this.a == this.b`, `[1, 2].contains(this.b)`, `true`}
	never := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(atoms).Draw(t, "atom")
		for range rapid.IntRange(0, 4).Draw(t, "more") {
			other := rapid.SampledFrom(atoms).Draw(t, "atom")
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				text = "(" + text + " && " + other + ")"
			case 1:
				text = "(" + text + " || " + other + ")"
			case 2:
				text = "!(" + text + ") && " + other
			}
		}
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		value := func() event.Value {
			return rapid.SampledFrom([]event.Value{event.IntOf(0), event.IntOf(1), event.IntOf(2), event.BoolOf(true), {}}).Draw(t, "value")
		}
		a := value()
		if !e.Never(&event.Row{Schema: event.NewSchema("", "a"), Values: []event.Value{a}}) {
			return
		}
		never++
		if e.Compile().Match(&event.Row{Schema: event.NewSchema("", "a", "b", "c"), Values: []event.Value{a, value(), value()}}) {
			t.Fatalf("%s holds", text)
		}
	})
	if never == 0 {
		t.Error("no condition was told to hold never")
	}
}
