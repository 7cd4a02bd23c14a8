package cli

import (
	"context"
	"fmt"
	"net"
)

const (
	pageAddressName = "page-address"
	pageDefault     = "localhost:4040"
)

// page begins to serve the live page.
func (d *demo) page(ctx context.Context) error {
	if d.c.Bool(noServeName) {
		return nil
	}
	listener, err := d.listen()
	if err != nil {
		return err
	}
	d.url = "http://" + listener.Addr().String()
	d.undo = append(d.undo, listener.Close)
	d.say("live page at %s", d.url)
	return nil
}

// listen takes the page's address, or another where the default is taken, for which nobody
// has asked.
func (d *demo) listen() (net.Listener, error) {
	address := d.c.String(pageAddressName)
	listener, err := net.Listen("tcp", address)
	if err == nil {
		return listener, nil
	}
	if d.c.IsSet(pageAddressName) {
		return nil, fmt.Errorf("--%s %s: %w", pageAddressName, address, err)
	}
	d.say("%s is taken: the page gets a free port", address)
	return net.Listen("tcp", "localhost:0")
}
