package pgupsert

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// letterColumns are the columns of a dead letter that the output writes itself;
// letterKey identifies one: a record of a stream.
var (
	letterColumns = []column{
		{colStream, typeText}, {"topic", typeText}, {"partition", typeInteger}, {"offset", typeBigint},
		{"reason", typeText}, {"detail", typeText}, {"payload", typeText}, {colTask, typeInteger}, {colSeq, typeBigint},
	}
	letterKey = []string{colStream, "topic", "partition", "offset"}
)

const reasonInvalid = "invalid"

// letter is a row that was refused, on its way into the dead letter table.
type letter struct {
	stream            string
	topic             string
	partition, offset int64
	detail, payload   string
	task, seq         cell
}

// sayable makes any bytes a text that Postgres stores.
func sayable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func hashOf(s string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return int64(h.Sum64() >> 1)
}

// letterRows are the cells of letters in these columns, the last one of each key.
func letterRows(letters []letter, cols []column) (rows [][]cell, err error) {
	type place struct {
		stream, topic     string
		partition, offset int64
	}
	last := map[place]int{}
	for _, l := range letters {
		cells := []cell{
			{text: l.stream}, {text: l.topic},
			{text: strconv.FormatInt(l.partition, 10)}, {text: strconv.FormatInt(l.offset, 10)},
			{text: reasonInvalid}, {text: l.detail}, {text: l.payload}, l.task, l.seq,
		}
		for i := range cells {
			if cells[i], err = wired(cols[i].typ, cells[i]); err != nil {
				return nil, err
			}
		}
		at := place{l.stream, l.topic, l.partition, l.offset}
		if i, ok := last[at]; ok {
			rows[i] = cells
			continue
		}
		last[at] = len(rows)
		rows = append(rows, cells)
	}
	return rows, nil
}
