package replay

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is put into a dictionary is found again, once, with its number; texts read as
// they were written, over the borders of blocks too.
func TestDictIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := &Texts{}
		d, e := NewDict(texts), NewDict(texts)
		want, places := map[string]int32{}, map[string]Text{}
		word := rapid.OneOf(
			rapid.StringMatching(`[0-9a-f]{0,6}`), rapid.StringMatching(`[a-gA]{1,3}`), rapid.String(),
			rapid.Map(rapid.IntRange(0, 64<<10), func(n int) string { return strings.Repeat("x", n) }),
		)
		for i, s := range rapid.SliceOfN(word, 0, 300).Draw(t, "words") {
			text, number, known := d.Put(s)
			if _, was := want[s]; was != known || texts.String(text) != s {
				t.Fatalf("%q: known %v, text %q", s, known, texts.String(text))
			}
			if known && *number != want[s] {
				t.Fatalf("%q has the number %d, want %d", s, *number, want[s])
			}
			if known && places[s] != text {
				t.Fatalf("%q is kept twice", s)
			}
			*number, want[s], places[s] = int32(i), int32(i), text
			e.Put(s + "'")
		}
		d.Each(func(n *int32) { *n *= 2 })
		for s, n := range want {
			if text, number, known := d.Get(s); !known || number != 2*n || text != places[s] || texts.String(text) != s {
				t.Fatalf("%q: %v %d, want %d", s, known, number, 2*n)
			}
			if _, _, known := e.Get(s + "'"); !known {
				t.Fatalf("%q' was put into the dictionary that shares its texts", s)
			}
		}
		if err := texts.Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// Texts that have no room are told of, and read as empty.
func TestTextsAreFull(t *testing.T) {
	texts := &Texts{blocks: make([][]byte, maxTextBlocks)}
	texts.blocks[maxTextBlocks-1] = make([]byte, textBlock-4)
	d := NewDict(texts)
	if text, _, _ := d.Put("xyz"); texts.Err() != nil || texts.String(text) != "xyz" {
		t.Error("there was room for three letters")
	}
	if text, _, _ := d.Put("more"); texts.Err() == nil || text != 0 {
		t.Error("there was no room")
	}
}

func TestRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Rows[int]
		n := rapid.IntRange(0, 3*rowBlock).Draw(t, "rows")
		for i := range n {
			r.Append(i)
		}
		keep := rapid.IntRange(0, n).Draw(t, "keep")
		r.Truncate(keep)
		for i := range 10 {
			r.Append(-i)
		}
		if r.Len() != keep+10 {
			t.Fatal(r.Len())
		}
		for i := range r.Len() {
			want := i
			if i >= keep {
				want = keep - i
			}
			if *r.At(i) != want {
				t.Fatalf("%d is %d, want %d", i, *r.At(i), want)
			}
		}
	})
}
