package registry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// answer is what the registry says of a request that it has not fulfilled; ok is false
// where that was no answer at all.
func answer(err error) (a *sr.ResponseError, ok bool) { return errors.AsType[*sr.ResponseError](err) }

// absent tells whether the registry knows no such subject, version or schema. A 404
// without one of its codes is somebody else's, such as a proxy's, or of a wrong URL.
func absent(err error) bool {
	a, ok := answer(err)
	if !ok {
		return false
	}
	switch a.ErrorCode {
	case sr.ErrSubjectNotFound.Code, sr.ErrVersionNotFound.Code, sr.ErrSchemaNotFound.Code:
		return a.StatusCode == http.StatusNotFound
	}
	return false
}

// refusal makes an error that no retry can mend of an answer that will always be the
// same: nil for one that may become another, and where there was none.
func refusal(err error) error {
	a, ok := answer(err)
	if !ok {
		return nil
	}
	switch a.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return host.Refuse("it refuses the user or token: %s", said(a))
	case http.StatusConflict:
		return host.Refuse("the schema is not compatible: %s", said(a))
	case http.StatusUnprocessableEntity:
		return host.Refuse("it does not take the schema: %s", said(a))
	}
	return nil
}

// said is an answer in one line.
func said(a *sr.ResponseError) string {
	return fmt.Sprintf("%s (%d)", line(a.Error()), a.StatusCode)
}

// line makes one line of a text, of bearable length.
func line(text string) string {
	const most = 600
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
