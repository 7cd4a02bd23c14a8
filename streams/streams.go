// Package streams carries the stream configs that Tidemark ships inside the binary.
package streams

import "embed"

// Files holds the folders producer and analytics, as they lie in the repository.
//
//go:embed producer analytics
var Files embed.FS
