// Package capacity shares out what a machine has: memory, and places for refreshes that run at the same time.
package capacity

import "context"

// Options describe a capacity. Zero values: half the machine's memory, 4 refreshes.
type Options struct {
	Name                   string
	Memory                 int64 // bytes
	MaxConcurrentRefreshes int
}

// Capacity is a share of the machine. It is safe for concurrent use.
type Capacity struct{ options Options }

// New returns a capacity of which nothing is taken.
func New(options Options) (*Capacity, error) { return &Capacity{options}, nil }

// Name is the capacity's name in the configuration.
func (c *Capacity) Name() string { return c.options.Name }

// Memory returns the capacity's size in bytes.
func (c *Capacity) Memory() int64 { return c.options.Memory }

// Grant is memory that its holder may use until Release.
type Grant struct{ Bytes int64 }

// Release gives the memory back. Further calls do nothing.
func (g *Grant) Release() { panic("not yet") }

// Grant waits until least bytes are free and takes them, and of what is free besides as much as makes most. Waiters are served in the
// order of their coming. least over the capacity's size is taken for its size.
func (c *Capacity) Grant(ctx context.Context, least, most int64) (*Grant, error) { panic("not yet") }

// Place waits for one of the places for refreshes.
func (c *Capacity) Place(ctx context.Context) (release func(), err error) { panic("not yet") }

// Usage is what is taken and awaited.
type Usage struct {
	MemoryGranted  int64
	MemoryWaiters  int
	PlacesTaken    int
	PlacesAwaiting int
}

// Usage returns what is taken now.
func (c *Capacity) Usage() Usage { panic("not yet") }
