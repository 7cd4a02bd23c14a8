package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"
)

// longestComplaint bounds what is repeated of an answer.
const longestComplaint = 1 << 10

// healthCommand lets a container that has nothing but this binary check itself.
func healthCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "health",
		Usage: "Ask a process of Tidemark whether it is well: exit code 0 or 1",
		Description: `Made for the health checks of containers and supervisors. "consume", "streams" and "run"
answer at /ready once all their inputs and outputs are connected, and "serve" at /healthz
once it has read the database.

   tidemark health
   tidemark health --url http://127.0.0.1:4040/healthz`,
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "url", Value: "http://" + defaultHTTPAddress + "/ready", Usage: "address to ask"},
			&ucli.DurationFlag{Name: "timeout", Value: 5 * time.Second, Usage: "how long to wait for the answer"},
		},
		Action: func(c *ucli.Context) error {
			if c.Args().Present() {
				return ucli.Exit(fmt.Sprintf("health takes no argument: %q (the address is --url)", c.Args().First()), 1)
			}
			ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
			defer cancel()
			if err := askHealth(ctx, c.String("url")); err != nil {
				return ucli.Exit(err.Error(), 1)
			}
			fmt.Fprintln(c.App.Writer, "ok")
			return nil
		},
	}
}

// askHealth is nil if the answer is 200 OK; the error is one line.
func askHealth(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	// A proxy of the environment is for other machines.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, longestComplaint)) // what there is of it
	return fmt.Errorf("%s: %s: %s", url, resp.Status, strings.Join(strings.Fields(string(text)), " "))
}
