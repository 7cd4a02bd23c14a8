// Package page looks at the live page through a real Chromium: that it shows what the
// database holds, goes on after what befalls it, shuts nobody out and lets nothing in.
//
// The servers and the browser are shared. One pipeline is filled with the Olist orders,
// or generated ones; the parts of [TestPage] look at it one after the other, those that
// change it last. Tests of few rows or none have a database of their own.
package page

import (
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
