// Package assets holds the files of the live page. They are plain HTML, CSS and ES modules:
// nothing builds them, and what the browser reads is what lies here.
package assets

import "embed"

// Files has index.html, icon.svg and the folders css, js and vendor.
//
//go:embed index.html icon.svg css js vendor
var Files embed.FS
