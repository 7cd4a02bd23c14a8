package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// stopPatience is how long a stream that is replaced or removed may take to stop.
const stopPatience = 30 * time.Second

// streamsREST changes streams by the REST API of streams mode.
type streamsREST struct {
	base   string // http://host:port
	client *http.Client
}

// newStreamsREST speaks to the process that serves at this address.
func newStreamsREST(address string) *streamsREST {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip.IsUnspecified()) { // all of the machine's
		loopback := "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			loopback = "::1"
		}
		address = net.JoinHostPort(loopback, port)
	}
	return &streamsREST{
		base: "http://" + address,
		// A proxy has no part in what the process tells itself.
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * stopPatience},
	}
}

// refusal is an answer other than yes. Every other error is of a request that was lost.
type refusal struct {
	status int
	answer string
}

func (r *refusal) Error() string { return r.answer }

// ask sends one request. Lint errors are the watcher's to find: the API would know no
// unit tests in a config.
func (s *streamsREST) ask(ctx context.Context, method, path string, body []byte) error {
	query := url.Values{"chilled": {"true"}, "timeout": {stopPatience.String()}}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		text := strings.TrimPrefix(strings.Join(strings.Fields(string(answer)), " "), "Error: ")
		return &refusal{resp.StatusCode, text}
	}
	return nil
}

func streamPath(id string) string { return "/streams/" + url.PathEscape(id) }

func (s *streamsREST) create(ctx context.Context, id string, text []byte) error {
	return s.ask(ctx, http.MethodPost, streamPath(id), text)
}

func (s *streamsREST) update(ctx context.Context, id string, text []byte) error {
	return s.ask(ctx, http.MethodPut, streamPath(id), text)
}

func (s *streamsREST) remove(ctx context.Context, id string) error {
	return s.ask(ctx, http.MethodDelete, streamPath(id), nil)
}

// mark leaves a resource of this name, by which a process knows that it is its own API
// that it speaks to, and not that of another process which had the address before.
func (s *streamsREST) mark(ctx context.Context, name string) error {
	if err := s.ask(ctx, http.MethodPost, "/resources/rate_limit/"+url.PathEscape(name), []byte("local: {}")); err != nil {
		return fmt.Errorf("%s: %w", s.base, err)
	}
	return nil
}
