// Package assets holds the files of the live page.
package assets

import "embed"

// Files holds index.html and what it loads, by their paths below /assets/.
//
//go:embed index.html
var Files embed.FS
