package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/page"
	"github.com/tidemark-streams/tidemark/internal/page/assets"
	"github.com/tidemark-streams/tidemark/internal/page/sales"
	"github.com/tidemark-streams/tidemark/internal/pg"
)

const (
	addressName    = "address"
	pageAddressEnv = "TIDEMARK_PAGE_ADDRESS"
	// defaultPageAddress is where the live page is.
	defaultPageAddress = "localhost:4040"
)

func serveCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "serve",
		Usage: "Serve the live page: sales for analysts, streams for operators",
		Description: `Serves a page that shows what the streams write to Postgres, and how the streams are
doing, and changes as they do. It only reads, beside any run of the streams; without a
Postgres or a Kafka that answers it says so, and goes on when they do.

The page has no login. It is bound to this machine unless --address says otherwise.

   tidemark serve
   tidemark serve --address localhost:8080 --dsn postgres://reader:secret@db:5432/shop`,
		Flags: []ucli.Flag{
			&ucli.StringFlag{
				Name: addressName, EnvVars: []string{pageAddressEnv}, Value: defaultPageAddress,
				Usage: "host and port of the page",
			},
			brokersFlag(), dsnFlag(),
			&ucli.StringFlag{Name: streamsName, Value: analyticsFolder, Usage: "folder of the streams to show"},
		},
		Action: serve,
	}
}

func serve(c *ucli.Context) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	folder, err := streamFolder(c)
	if err != nil {
		return ucli.Exit("serve: "+err.Error(), 1)
	}
	err = servePage(ctx, pageOptions{
		Address: c.String(addressName), DSN: c.String(dsnName), Brokers: brokers(c), Streams: folder,
		Say: func(line string) { fmt.Fprintln(c.App.Writer, "serve: "+line) },
		Log: func(line string) { fmt.Fprintln(c.App.ErrWriter, "serve: "+line) },
	})
	if err != nil {
		return ucli.Exit("serve: "+err.Error(), 1)
	}
	return nil
}

// pageOptions say what a page shows, and where.
type pageOptions struct {
	Address string   // host and port
	DSN     string   // the Postgres that the streams write to
	Brokers []string // the Kafka that they read
	Streams fs.FS    // their folder
	// Say gets the line that tells the page's address, Log what the operator should know.
	Say, Log func(line string)
}

// servePage serves the live page until ctx ends, which is no error. A Postgres or Kafka
// that is away is waited for: the page says so.
func servePage(ctx context.Context, o pageOptions) error {
	db, err := pg.NewReader(o.DSN, "page", o.Log)
	if err != nil {
		return err
	}
	defer db.Close()
	streams, closeStreams, err := streamsSource(o)
	if err != nil {
		return err
	}
	defer closeStreams()
	l, err := listenPage(o.Address)
	if err != nil {
		return err
	}
	loopback := isLoopback(l.Addr())
	if !loopback {
		o.Log(fmt.Sprintf("warning: the page has no login, and everybody who reaches %s can read it", l.Addr()))
	}
	o.Say("the page is at http://" + shownAddress(o.Address, l.Addr()))
	return page.Serve(ctx, l, page.Options{
		Sales: sales.New(db), Streams: streams, Assets: assets.Files, Loopback: loopback, Log: o.Log,
	})
}

// streamsSource answers the operator's view.
func streamsSource(pageOptions) (page.Source, func(), error) {
	return nil, func() {}, nil
}

// listenPage takes the page's port.
func listenPage(address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("--%s %q: want host:port, such as %s", addressName, address, defaultPageAddress)
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another process: choose another one with --%s", address, addressName)
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w", addressName, address, err)
	}
	return l, nil
}

// isLoopback tells whether only this machine can reach an address.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// shownAddress is what a browser on this machine opens: the host as it was given, the
// port that was taken.
func shownAddress(given string, taken net.Addr) string {
	host, _, err := net.SplitHostPort(given)
	tcp, ok := taken.(*net.TCPAddr)
	if err != nil || !ok {
		return taken.String()
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}
