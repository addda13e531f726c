// Package capacity shares out what a machine has: memory, and places for refreshes that run at the same time. A capacity can be paused.
package capacity

import (
	"context"
	"sync"

	"freshet.dev/internal/fault"
)

// Options describe a capacity. Zero values: half the machine's memory, 4 refreshes.
type Options struct {
	Name                   string
	Memory                 int64 // bytes
	MaxConcurrentRefreshes int
	Status                 Status // as the book has it; the zero value is Active
	Book                   Book   // nil: what Set does ends with the process
}

// Capacity is a share of the machine. It is safe for concurrent use.
type Capacity struct {
	name      string
	memory    pool
	refreshes pool // the part of memory that refreshes may take
	places    pool

	book    Book
	setting sync.Mutex // held while the status is stored

	mu       sync.Mutex // guards the rest
	status   Status
	onPause  map[int]func()
	watchers int // counts them, to name them
}

// readers is the memory that refreshes leave to queries, or half of a small capacity: a refresh holds its grant for hours, and queries
// go on meanwhile.
const readers = 512 << 20

// New returns a capacity of which nothing is taken.
func New(options Options) (*Capacity, error) {
	if options.Memory < 0 || options.MaxConcurrentRefreshes < 0 {
		return nil, fault.New(fault.Invalid, fault.CodeConfiguration, "cannot use capacity %q: neither memory (%d) nor maxConcurrentRefreshes (%d) may be below zero",
			options.Name, options.Memory, options.MaxConcurrentRefreshes)
	}
	if options.Memory == 0 {
		options.Memory = machineMemory() / 2
	}
	if options.MaxConcurrentRefreshes == 0 {
		options.MaxConcurrentRefreshes = 4
	}
	if options.Status.State == "" {
		options.Status.State = Active
	}
	return &Capacity{
		name:      options.Name,
		memory:    pool{size: options.Memory},
		refreshes: pool{size: options.Memory - min(readers, options.Memory/2)},
		places:    pool{size: int64(options.MaxConcurrentRefreshes)},
		book:      options.Book, status: options.Status, onPause: map[int]func(){},
	}, nil
}

// Name is the capacity's name in the configuration.
func (c *Capacity) Name() string { return c.name }

// Memory returns the capacity's size in bytes.
func (c *Capacity) Memory() int64 { return c.memory.size }

// MaxConcurrentRefreshes returns the number of places.
func (c *Capacity) MaxConcurrentRefreshes() int { return int(c.places.size) }

// Grant is memory that its holder may use until Release.
type Grant struct {
	bytes   int64
	release func()
}

// Bytes is how much may be used.
func (g *Grant) Bytes() int64 { return g.bytes }

// Release gives the memory back. Further calls do nothing.
func (g *Grant) Release() { g.release() }

// Grant waits until least bytes are free and takes them, and of what is free besides as much as makes most. Waiters are served in the
// order of their coming, so that a large wish is not starved by small ones. least over the capacity's size is taken for its size.
func (c *Capacity) Grant(ctx context.Context, least, most int64) (*Grant, error) {
	taken, err := c.memory.take(ctx, least, most)
	if err != nil {
		return nil, err
	}
	return &Grant{taken, sync.OnceFunc(func() { c.memory.give(taken) })}, nil
}

// GrantRefresh is Grant for a refresh: all refreshes together leave memory for queries. least over what they may take is taken for that.
func (c *Capacity) GrantRefresh(ctx context.Context, least, most int64) (*Grant, error) {
	share, err := c.refreshes.take(ctx, least, most)
	if err != nil {
		return nil, err
	}
	grant, err := c.Grant(ctx, share, share)
	if err != nil {
		c.refreshes.give(share)
		return nil, err
	}
	return &Grant{share, sync.OnceFunc(func() { grant.Release(); c.refreshes.give(share) })}, nil
}

// Place waits for one of the places for refreshes.
func (c *Capacity) Place(ctx context.Context) (release func(), err error) {
	taken, err := c.places.take(ctx, 1, 1)
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { c.places.give(taken) }), nil
}

// Usage is what is taken and awaited.
type Usage struct {
	MemoryGranted  int64
	MemoryWaiters  int
	PlacesTaken    int
	PlacesAwaiting int
}

// Usage returns what is taken now.
func (c *Capacity) Usage() Usage {
	memory, memoryWaiters := c.memory.usage()
	places, placeWaiters := c.places.usage()
	return Usage{MemoryGranted: memory, MemoryWaiters: memoryWaiters, PlacesTaken: int(places), PlacesAwaiting: placeWaiters}
}

// pool is an amount that is taken in pieces, first come, first served.
type pool struct {
	size int64

	mu      sync.Mutex
	taken   int64
	waiters []*waiter
}

type waiter struct {
	least, most int64
	granted     chan int64 // holds one answer, so that who serves never waits for who asked
}

func (p *pool) take(ctx context.Context, least, most int64) (int64, error) {
	least = min(max(least, 0), p.size)
	w := &waiter{least: least, most: max(least, most), granted: make(chan int64, 1)}
	p.mu.Lock()
	p.waiters = append(p.waiters, w)
	p.serve()
	p.mu.Unlock()
	select {
	case bytes := <-w.granted:
		return bytes, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiters {
		if other == w {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			p.serve() // who stood behind may fit now
			return 0, context.Cause(ctx)
		}
	}
	p.taken -= <-w.granted // served at the same moment
	p.serve()
	return 0, context.Cause(ctx)
}

func (p *pool) give(amount int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken -= amount
	p.serve()
}

// serve grants to the waiters in front what they ask, as long as there is enough. The caller holds the lock.
func (p *pool) serve() {
	for len(p.waiters) > 0 {
		w := p.waiters[0]
		free := p.size - p.taken
		if free < w.least {
			return
		}
		amount := min(w.most, free)
		p.taken += amount
		p.waiters = p.waiters[1:]
		w.granted <- amount
	}
}

func (p *pool) usage() (taken int64, waiters int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken, len(p.waiters)
}
