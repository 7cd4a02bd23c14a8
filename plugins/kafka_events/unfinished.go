package kafkaevents

import "strings"

// The mark of a topic that is the unfinished copy of another. It has to last as long
// as the topic, and to be there from its creation on, so it is one of its settings:
// how long a compacted topic keeps deletions, which means nothing to any other topic.
const (
	UnfinishedConfig = "delete.retention.ms"
	UnfinishedValue  = "86400001" // a day, the default, and a millisecond
)

// Unfinished tells by its settings whether a topic is a copy made by "tidemark topics
// repartition" that lacks records, or may lack some.
func Unfinished(setting func(key string) string) bool {
	return setting(UnfinishedConfig) == UnfinishedValue && !strings.Contains(setting(configPolicy), "compact")
}
