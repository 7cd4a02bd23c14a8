package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/page"
	"github.com/tidemark-streams/tidemark/internal/page/assets"
	"github.com/tidemark-streams/tidemark/internal/page/sales"
	"github.com/tidemark-streams/tidemark/internal/page/streams"
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
		Flag: addressName, Address: c.String(addressName), DSN: c.String(dsnName), Brokers: brokers(c), Streams: folder,
		Ready: func(url string) { fmt.Fprintln(c.App.Writer, "serve: the page is at "+url) },
		Log:   func(line string) { fmt.Fprintln(c.App.ErrWriter, "serve: "+line) },
	})
	if err != nil {
		return ucli.Exit("serve: "+err.Error(), 1)
	}
	return nil
}

// pageOptions say what a page shows, and where.
type pageOptions struct {
	Flag    string            // that gives the address
	Address string            // host and port
	DSN     string            // the Postgres that the streams write to
	Brokers []string          // the Kafka that they read
	Streams fs.FS             // their folder
	Ready   func(url string)  // told when the page answers, with what a browser opens
	Log     func(line string) // gets what the operator should know
}

// servePage serves the live page until ctx ends, which is no error. A Postgres or Kafka
// that is away is waited for: the page says so.
func servePage(ctx context.Context, o pageOptions) error {
	db, err := pg.NewReader(o.DSN, "page", o.Log)
	if err != nil {
		return err
	}
	defer db.Close()
	operators, closeStreams, err := streamsSource(o, db)
	if err != nil {
		return err
	}
	defer closeStreams()
	l, err := listenPage(o.Flag, o.Address)
	if err != nil {
		return err
	}
	loopback := isLoopback(l.Addr())
	if !loopback {
		o.Log(fmt.Sprintf("warning: the page has no login, and everybody who reaches %s can read it", l.Addr()))
	}
	o.Ready("http://" + shownAddress(o.Address, l.Addr()))
	return page.Serve(ctx, l, page.Options{
		Sales: sales.New(db), Streams: operators, Assets: assets.Files, Loopback: loopback, Log: o.Log,
	})
}

// streamsSource answers the operator's view. It asks the brokers when somebody looks.
func streamsSource(o pageOptions, db *pg.Reader) (_ page.Source, end func(), err error) {
	groups, err := streamGroups(o.Streams, map[string]string{"KAFKA_BROKERS": strings.Join(o.Brokers, ",")})
	if err != nil {
		return nil, nil, err
	}
	client, err := kafkaClient(o.Brokers)
	if err != nil {
		return nil, nil, err
	}
	return streams.New(db, client, groups), client.Close, nil
}

// listenPage takes the page's port.
func listenPage(flag, address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("--%s %q: want host:port, such as %s", flag, address, defaultPageAddress)
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another process: choose another one with --%s", address, flag)
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w", flag, address, err)
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
