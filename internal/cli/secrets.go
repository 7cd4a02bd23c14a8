package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// Where what is secret stands.
const (
	webhookEnv      = "TIDEMARK_ALERT_WEBHOOK"
	alertmanagerEnv = "TIDEMARK_ALERTMANAGER_URL"
	dsnEnv          = "POSTGRES_DSN"
)

const (
	// hidden stands in logs in place of what is secret.
	hidden = "***"
	// leastSecret is the length from which on a text is hidden wherever it stands. A shorter
	// one would take words of the log with it.
	leastSecret = 8
)

// secrets are the texts that must not be logged, as they may be written, the longest first.
// Our own components log none of them; Benthos' http_client repeats in its errors the
// address that it asks, in which tokens of webhooks stand.
func secrets(getenv func(string) string) []string {
	found := map[string]bool{}
	hide := func(text string) {
		for _, form := range []string{text, url.QueryEscape(text), url.PathEscape(text), url.UserPassword("", text).String()[1:]} {
			found[form] = true
			if quoted, err := json.Marshal(form); err == nil { // which escapes & < and >
				found[string(quoted[1:len(quoted)-1])] = true
			}
		}
	}
	alone := func(text string) {
		if len(text) >= leastSecret {
			hide(text)
		}
	}
	for _, name := range []string{webhookEnv, alertmanagerEnv} {
		u, err := url.Parse(getenv(name))
		if err != nil {
			hide(getenv(name))
			continue
		}
		if u.User != nil {
			password, _ := u.User.Password()
			alone(u.User.Username())
			alone(password)
			found[u.User.String()+"@"] = true
		}
		if path := strings.TrimSuffix(u.EscapedPath(), "/"); path != "" && u.Host != "" {
			found[u.Host+path] = true
			found[u.Host+strings.TrimSuffix(u.Path, "/")] = true
		}
		for _, part := range strings.Split(u.EscapedPath(), "/") {
			alone(part)
		}
		if u.RawQuery != "" {
			hide("?" + u.RawQuery)
			for _, values := range u.Query() {
				for _, v := range values {
					alone(v)
				}
			}
		}
	}
	for _, text := range strings.Split(getenv(registryEnv), ",") {
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil && u.User != nil {
			password, _ := u.User.Password()
			alone(password)
		}
	}
	if dsn := getenv(dsnEnv); dsn != "" {
		// The one of development is also the name of the user, and of much else.
		if cfg, err := pq.NewConfig(dsn); err == nil && cfg.Password != cfg.User {
			alone(cfg.Password)
		}
	}
	delete(found, "")
	list := make([]string, 0, len(found))
	for text := range found {
		list = append(list, text)
	}
	slices.SortFunc(list, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return list
}

// withoutSecrets is w for whoever writes whole lines.
func withoutSecrets(w io.Writer) io.Writer {
	list := secrets(os.Getenv)
	if len(list) == 0 {
		return w
	}
	pairs := make([]string, 0, 2*len(list))
	for _, s := range list {
		pairs = append(pairs, s, hidden)
	}
	return &hider{w, strings.NewReplacer(pairs...)}
}

// hider replaces secrets in lines.
type hider struct {
	to       io.Writer
	replacer *strings.Replacer
}

func (h *hider) Write(line []byte) (int, error) {
	if _, err := io.WriteString(h.to, h.replacer.Replace(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}

// filtered is a file to write to in place of f: what is written comes to f without secrets.
// Flush brings the rest there. Where there are no secrets it is f itself.
func filtered(f *os.File) (in *os.File, flush func(), err error) {
	to := withoutSecrets(f)
	if to == io.Writer(f) {
		return f, func() {}, nil
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() {
		lines := bufio.NewReaderSize(out, 64<<10)
		for over := false; ; {
			line, err := lines.ReadString('\n')
			rest, _, marked := strings.Cut(line, string(endOfLogs))
			_, _ = io.WriteString(to, rest) // nobody could be told
			if marked && !over {
				over = true
				close(ended)
			}
			if err != nil {
				return
			}
		}
	}()
	return in, func() {
		if _, err := in.WriteString(string(endOfLogs) + "\n"); err == nil {
			<-ended
		}
	}, nil
}
