package page

import "testing"

func (s *server) showsTheStreams(t *testing.T) {
	t.Log(s.open(t, "#streams").figures())
}
