package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
)

const pageAddressName = "page-address"

// page begins to serve the live page, which lasts until everything else has stopped.
func (d *demo) page(ctx context.Context) error {
	if d.c.Bool(noServeName) {
		return nil
	}
	folder, err := shippedFolder()
	if err != nil {
		return err
	}
	pageCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ready, ended := make(chan string, 1), make(chan error, 1)
	options := pageOptions{
		Flag: pageAddressName, Address: d.pageAddress(), DSN: d.dsn, Brokers: strings.Split(d.brokers, ","), Streams: folder,
		Ready: func(url string) { ready <- url },
		Log:   func(line string) { fmt.Fprintln(d.c.App.ErrWriter, "demo: "+line) },
	}
	go func() {
		err := servePage(pageCtx, options)
		ended <- err
		if err != nil {
			d.fail(err)
		}
	}()
	select {
	case d.url = <-ready:
		d.undo = append(d.undo, func() error {
			cancel()
			if err := <-ended; !errors.Is(context.Cause(ctx), err) {
				return err
			}
			return nil // it has ended the run, which says so
		})
		d.say("the live page is at %s", d.url)
		return nil
	case err := <-ended:
		cancel()
		return err
	}
}

// pageAddress is the one that was asked for. The default one nobody has asked for: where
// it is taken, any does.
func (d *demo) pageAddress() string {
	address := d.c.String(pageAddressName)
	if d.c.IsSet(pageAddressName) {
		return address
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		d.say("%s is taken, so the live page gets another port", address)
		return "localhost:0"
	}
	_ = l.Close() // for the page
	return address
}
