// Package page serves the live page: its files, its snapshots as JSON, and the same
// snapshots as server-sent events whenever they change.
package page

import (
	"context"
	"io/fs"
	"net/http"
	"sync/atomic"
)

// Options are what a page is made of.
type Options struct {
	// Sales and Streams answer the two views. A view that is nil is not there (404).
	Sales, Streams Source
	// Assets holds index.html and the files below /assets/.
	Assets fs.FS
	// Loopback says that only this machine can reach the page. Then a request that names
	// another host is refused: a name of somebody else that resolves to this machine
	// would let their page read this one.
	Loopback bool
	// Log gets lines for the operator. It may be nil.
	Log func(line string)
}

// Page answers the requests of a page.
type Page struct {
	handler http.Handler
	files   map[string]file
	sources map[string]*source
	ctx     context.Context // ends every stream of events and all reading
	seen    atomic.Bool     // the database has been read once
	streams atomic.Int64    // of events that are open
}

// New makes a page. When ctx ends, so do its streams of events and all reading.
func New(ctx context.Context, o Options) (*Page, error) {
	files, err := loadFiles(o.Assets)
	if err != nil {
		return nil, err
	}
	p := &Page{ctx: ctx, files: files, sources: map[string]*source{}}
	say := o.Log
	if say == nil {
		say = func(string) {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /assets/{path...}", p.asset)
	mux.HandleFunc("GET /healthz", p.health)
	for name, s := range map[string]Source{"sales": o.Sales, "streams": o.Streams} {
		if s == nil {
			continue
		}
		src := newSource(ctx, name, s, say)
		p.sources[name] = src
		mux.HandleFunc("GET /api/"+name, func(w http.ResponseWriter, r *http.Request) { p.snapshot(w, r, src) })
		mux.HandleFunc("GET /events/"+name, func(w http.ResponseWriter, r *http.Request) { p.events(w, r, src) })
	}
	p.handler = guard(mux, o.Loopback)
	return p, nil
}

// ServeHTTP answers a request.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }
