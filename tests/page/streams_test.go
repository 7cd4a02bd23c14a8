package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// streams are figures of the operator's view, by Kafka and SQL.
func (w *world) streams() figures {
	w.Helper()
	want := figures{"kafka.reachable": "true"}
	w.ledger(want)
	w.positions(want)
	for _, row := range w.rows("select stream, reason, count(*) as n from dead_letter_events group by stream, reason") {
		want[fmt.Sprintf("dead_letters:%s/%s count", row["stream"], row["reason"])] = row["n"]
	}
	want["dead_letters.total"] = w.row("select count(*) as n from dead_letter_events")["n"]
	return want
}

// ledger adds what Postgres knows of tasks.
func (w *world) ledger(want figures) {
	w.Helper()
	for _, row := range w.rows("select stream, task, generation, committed_seq, case when isfinite(watermark) then watermark end as watermark from tidemark_tasks") {
		task := "tasks:" + row["stream"] + "/" + row["task"] + " "
		want[task+"generation"], want[task+"seq"], want[task+"watermark"] = row["generation"], row["committed_seq"], row["watermark"]
	}
	for _, row := range w.rows("select stream, sum(committed_seq) as rows from tidemark_tasks group by stream") {
		want["streams:"+row["stream"]+" rows"] = row["rows"]
	}
}

// positions adds what Kafka knows of them: how far they have read, and what they have not.
func (w *world) positions(want figures) {
	w.Helper()
	admin := kadm.NewClient(w.kafka.Client(w))
	ends, err := admin.ListEndOffsets(w.ctx())
	if err != nil {
		w.Fatal(err)
	}
	for _, row := range w.rows("select distinct stream from tidemark_tasks") {
		stream := row["stream"]
		group, err := admin.FetchOffsets(w.ctx(), stream)
		if err != nil {
			w.Fatal(err)
		}
		lags, all := map[int32]int64{}, int64(0)
		for _, at := range group.Offsets().Sorted() {
			end, found := ends.Lookup(at.Topic, at.Partition)
			if !found {
				w.Fatalf("%s has read %s/%d, which is not there", stream, at.Topic, at.Partition)
			}
			place := fmt.Sprintf("offsets:%s/%d/%s/%d ", stream, at.Partition, at.Topic, at.Partition)
			want[place+"committed"], want[place+"end"] = fmt.Sprint(at.At), fmt.Sprint(end.Offset)
			want[place+"lag"] = fmt.Sprint(end.Offset - at.At)
			lags[at.Partition] += end.Offset - at.At
			all += end.Offset - at.At
		}
		for task, lag := range lags {
			want[fmt.Sprintf("tasks:%s/%d lag", stream, task)] = fmt.Sprint(lag)
		}
		want["streams:"+stream+" lag"] = fmt.Sprint(all)
	}
}

// account adds the table that a bounded run prints at its end.
func (w *world) account(want figures) {
	w.Helper()
	var header []string
	lines := 0
	for line := range strings.Lines(w.last) {
		cells := strings.Fields(line)
		if len(cells) > 4 && cells[0] == "stream" && cells[1] == "operator" {
			header = cells
			continue
		}
		if header == nil || len(cells) != len(header) {
			continue
		}
		row := fmt.Sprintf("account:%s/%s/%s ", cells[0], cells[1], cells[2])
		for i, name := range header[3:] {
			want[row+name] = cells[i+3]
		}
		want[row+"balanced"] = "true"
		lines++
	}
	if lines == 0 {
		w.Fatalf("no account of the events was printed: %s", w.last)
	}
}

// showsTheStreams: the operator's view is what Kafka, Postgres and the streams themselves
// say, of streams at rest.
func (s *server) showsTheStreams(t *testing.T) {
	v := s.open(t, "#streams")
	v.unfold()
	v.shows(func() figures {
		want := s.streams()
		s.account(want)
		for _, row := range s.rows("select stream, task from tidemark_tasks") {
			want["tasks:"+row["stream"]+"/"+row["task"]+" state"] = "unowned"
		}
		return want
	})
	text := kit.Eval[string](v.Tab, "document.getElementById('letters').innerText")
	examples := s.rows(`select topic, partition, "offset", detail, left(payload, 400) as payload from (
		select *, row_number() over (partition by stream, reason order by seen_at desc, "offset" desc) as n from dead_letter_events
	) as l where n <= 3`)
	for _, row := range examples {
		for _, says := range []string{fmt.Sprintf("%s/%s@%s", row["topic"], row["partition"], row["offset"]), row["detail"], row["payload"]} {
			if !strings.Contains(text, says) {
				t.Errorf("the dead letters do not say %q: %s", says, text)
			}
		}
	}
	if len(examples) == 0 {
		t.Log("no dead letters: the dataset has none")
	}
}

// showsRunningStreams: tasks that a process has are shown as such.
func (s *server) showsRunningStreams(t *testing.T, arrive func()) {
	v := s.open(t, "#streams")
	arrive()
	v.shows(func() figures {
		want := s.streams()
		for _, row := range s.rows("select stream, task from tidemark_tasks") {
			want["tasks:"+row["stream"]+"/"+row["task"]+" state"] = "running"
		}
		return want
	})
}
