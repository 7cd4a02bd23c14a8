package cli

import (
	"fmt"
	"strings"
	"testing"
)

// The last line is kept, however it was written, and not all that came before.
func TestLastWords(t *testing.T) {
	for _, c := range []struct {
		written []string
		want    string
	}{
		{nil, ""},
		{[]string{"one\ntwo\n"}, "two"},
		{[]string{"one\ntw", "o\n", "thr", "ee"}, "three"},
		{[]string{"one\n\n"}, "one"},
		{[]string{"done\n", "\r10 %\r20 %", "\r\033[K", "\rit broke\r\n"}, "it broke"},
		{[]string{strings.Repeat("x", 3*longestWord), " end\n"}, strings.Repeat("x", longestWord-5) + " end"},
	} {
		var w lastWords
		for _, text := range c.written {
			fmt.Fprint(&w, text)
			if len(w.text) > longestWord {
				t.Errorf("%d bytes are kept", len(w.text))
			}
		}
		if got := w.last(); got != c.want {
			t.Errorf("%q: got %q, want %q", c.written, got, c.want)
		}
	}
}
