package changelog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

var (
	// ErrFenced says that the broker takes nothing more from this log: another one of
	// the same transactional id was opened, or a transaction outlived the timeout.
	// Whoever means to open anew asks first whether the task is still its own.
	ErrFenced = errors.New("fenced: the task was taken over, or a transaction timed out")
	// ErrAborted says that a commit was taken back, as its hook failed. The log stands
	// as before, and the same set may be committed again.
	ErrAborted = errors.New("commit aborted")
	// ErrLocal says that the local store failed, which makes it worthless: its folder
	// is removed before the log is opened anew. The changelog is not harmed.
	ErrLocal = errors.New("local store failed")
	// ErrTooLarge says that a value does not fit into the topic. No new attempt helps
	// until somebody allows larger ones.
	ErrTooLarge = errors.New("value too large for the changelog")
	// ErrUnfit says that the topic cannot be the changelog of this group's tasks. No
	// new attempt helps.
	ErrUnfit = errors.New("it does not fit")
	// errRenewed is the trap that the comment on Log tells of.
	errRenewed = errors.New("the producer was renewed within a transaction")
	// errClosed is what a log answers after Close.
	errClosed = errors.New("closed")
)

// fences are the answers to a producer that has a successor. Which one it gets
// depends on the request, the broker's version, and whether the successor is in a
// transaction. OPERATION_NOT_ATTEMPTED is kgo's own: its id had failed before.
var fences = []error{
	kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidTxnState,
	kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.OperationNotAttempted,
}

// classify marks an error that means fenced.
func classify(err error) error {
	for _, f := range fences {
		if errors.Is(err, f) {
			return fmt.Errorf("%w: %w", ErrFenced, err)
		}
	}
	return err
}

// refused explains why a record was not written.
func (l *Log) refused(r *kgo.Record, err error) error {
	if !errors.Is(err, kerr.MessageTooLarge) && !errors.Is(err, kerr.RecordListTooLarge) {
		return classify(err)
	}
	what := "the marker"
	if string(r.Key) != state.MarkerKey {
		operator, rest, _ := strings.Cut(string(r.Key), "\x00")
		table, key, _ := strings.Cut(rest, "\x00")
		what = fmt.Sprintf("operator %s, table %s, key %q", operator, table, key)
	}
	return fmt.Errorf("%w: %s has %s, the topic's %s is %s, which `kafka-configs --alter` raises",
		ErrTooLarge, what, humanize.IBytes(uint64(len(r.Value))), configMaxMessage, humanize.IBytes(uint64(l.settings.maxMessage)))
}
