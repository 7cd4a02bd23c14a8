package state

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Cache is the memory that tasks share for what they keep on shelves. One half is for hot
// keys, the same for each task. A quarter is Pebble's, for blocks of its files; about as
// much is left for the changes that are on their way to one. Keys that changed since the
// last commit come on top.
type Cache struct {
	size int64

	mu     sync.Mutex
	blocks *pebble.Cache // nil while no store is open
	stores int
}

// NewCache makes a cache of so many bytes.
func NewCache(size int64) *Cache { return &Cache{size: size} }

// Share is how many bytes the hot keys of one task may take: what Local.Shrink is told.
func (c *Cache) Share() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int((c.size - c.size/2) / int64(max(c.stores, 1)))
}

// take gives a store that opens its reference to the blocks.
func (c *Cache) take() *pebble.Cache {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stores == 0 {
		c.blocks = pebble.NewCache(c.size / 4)
	}
	c.stores++
	c.blocks.Ref()
	return c.blocks
}

// give takes back what a store that closes was given; the last one frees the blocks.
func (c *Cache) give() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stores--; c.stores == 0 {
		c.blocks.Unref()
		c.blocks = nil
	}
}
