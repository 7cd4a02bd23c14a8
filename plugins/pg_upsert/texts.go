package pgupsert

import "strings"

// texts keeps the texts of a batch in few pieces of memory: a string of its own for
// each cell costs more than to write it. A text stays as it is for as long as anyone
// holds it, since a piece only grows behind what it has.
type texts struct {
	piece   strings.Builder
	size    int    // of the next piece
	scratch []byte // for a text that is being written
}

// Pieces grow with the batch, from a few rows to some hundred.
const (
	firstPiece = 1 << 10
	maxPiece   = 1 << 16
)

// keep is text as a string; text itself may be written to again.
func (s *texts) keep(text []byte) string {
	if s.piece.Cap()-s.piece.Len() < len(text) {
		s.size = min(max(2*s.size, firstPiece), maxPiece)
		s.piece.Reset()
		s.piece.Grow(max(s.size, len(text)))
	}
	at := s.piece.Len()
	s.piece.Write(text)
	return s.piece.String()[at:]
}
