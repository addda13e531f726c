// Package capacity shares out what a machine has: memory, and places for refreshes that run at the same time. A capacity can be paused.
package capacity

import (
	"context"
	"slices"
	"sync"
	"time"

	"freshet.dev/internal/fault"
)

// Options describe a capacity. Zero values: half the machine's memory, 4 refreshes.
type Options struct {
	Name                   string
	Memory                 int64 // bytes
	MaxConcurrentRefreshes int
	Status                 Status        // as the book has it; the zero value is Active
	Book                   Book          // nil: what Set does ends with the process
	EvictAfter             time.Duration // how long a reader waits for memory before it evicts a refresh; 0 = 30 s
}

// Capacity is a share of the machine. It is safe for concurrent use.
type Capacity struct {
	name      string
	memory    pool
	refreshes pool // the part of memory that refreshes may take
	places    pool

	evictAfter time.Duration
	book       Book
	setting    sync.Mutex // held while the status is stored

	mu       sync.Mutex // guards the rest
	status   Status
	lent     []*Grant // the one that was lent first in front
	loading  []*Grant // of refreshes, in the order of their beginning
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
	if options.EvictAfter == 0 {
		options.EvictAfter = 30 * time.Second
	}
	if options.Status.State == "" {
		options.Status.State = Active
	}
	return &Capacity{
		name:       options.Name,
		memory:     pool{size: options.Memory},
		refreshes:  pool{size: options.Memory - min(readers, options.Memory/2)},
		places:     pool{size: int64(options.MaxConcurrentRefreshes)},
		evictAfter: options.EvictAfter,
		book:       options.Book, status: options.Status, onPause: map[int]func(){},
	}, nil
}

// Name is the capacity's name in the configuration.
func (c *Capacity) Name() string { return c.name }

// Memory returns the capacity's size in bytes.
func (c *Capacity) Memory() int64 { return c.memory.size }

// Grant is memory that its holder may use until Release.
type Grant struct {
	capacity *Capacity
	bytes    int64
	free     func() // gives the bytes back

	// Guarded by the capacity's mutex.
	use   use
	evict func() // of a lent grant and of a refresh: see Lend, GrantRefresh
}

// use is what a grant's holder does with it.
type use uint8

const (
	working  use = iota // it is needed
	lent                // it may be taken back
	taken               // it is being taken back
	released            // it is not the holder's any more
)

// Bytes is how much may be used.
func (g *Grant) Bytes() int64 {
	g.capacity.mu.Lock()
	defer g.capacity.mu.Unlock()
	return g.bytes
}

// Grow takes more for a refresh at once, if so much is free that nobody waits for. It never waits, because its caller holds what others
// wait for.
func (g *Grant) Grow(bytes int64) bool {
	c := g.capacity
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.use != working || bytes < 0 || !c.refreshes.tryTake(bytes) {
		return false
	}
	if !c.memory.tryTake(bytes) {
		c.refreshes.give(bytes)
		return false
	}
	g.bytes += bytes
	before := g.free
	g.free = func() {
		before()
		c.memory.give(bytes)
		c.refreshes.give(bytes)
	}
	return true
}

// Release gives the memory back. Further calls do nothing.
func (g *Grant) Release() {
	c := g.capacity
	c.mu.Lock()
	before := g.use
	g.use = released
	c.forget(g)
	c.mu.Unlock()
	if before != released {
		g.free()
	}
}

// Lend tells that the holder has no need of the grant for now, and keeps it as long as nobody waits for memory. For a waiter evict is called,
// that of the grant that was lent first: it must see to the release. It is called from any goroutine and without a lock of the capacity's.
// False means that somebody waits already, so that the holder must release it.
func (g *Grant) Lend(evict func()) bool {
	c := g.capacity
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, waiters := c.memory.usage(); waiters > 0 || g.use != working {
		return false
	}
	g.use, g.evict = lent, evict
	c.lent = append(c.lent, g)
	return true
}

// Recall tells that the holder needs a grant again that it may have lent. False means that it is being taken back, so that the holder must
// release it and ask for another one.
func (g *Grant) Recall() bool {
	c := g.capacity
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.use == lent {
		c.forget(g)
		g.use = working
	}
	return g.use == working
}

// Grant waits until least bytes are free and takes them, and of what is free besides as much as makes most. Waiters are served in the
// order of their coming, so that a large wish is not starved by small ones. least over the capacity's size is taken for its size.
//
// It is for readers. While it waits, memory that others have lent is taken back, and after EvictAfter the refresh that has begun last is
// evicted, and another one for each further EvictAfter.
func (c *Capacity) Grant(ctx context.Context, least, most int64) (*Grant, error) {
	bytes, err := c.take(ctx, least, most, true)
	if err != nil {
		return nil, err
	}
	return &Grant{capacity: c, bytes: bytes, free: func() { c.memory.give(bytes) }}, nil
}

// GrantRefresh is Grant for a refresh: all refreshes together leave memory for queries. least over what they may take is taken for that.
// evict is called, from any goroutine, when a reader has waited for too long: it must see to the release.
func (c *Capacity) GrantRefresh(ctx context.Context, least, most int64, evict func()) (*Grant, error) {
	share, err := c.refreshes.take(ctx, least, most)
	if err != nil {
		return nil, err
	}
	if _, err = c.take(ctx, share, share, false); err != nil {
		c.refreshes.give(share)
		return nil, err
	}
	grant := &Grant{capacity: c, bytes: share, evict: evict, free: func() { c.memory.give(share); c.refreshes.give(share) }}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loading = append(c.loading, grant)
	return grant, nil
}

// RefreshMemory is what all refreshes together may take.
func (c *Capacity) RefreshMemory() int64 { return c.refreshes.size }

// take takes memory, for which it has others give up theirs.
func (c *Capacity) take(ctx context.Context, least, most int64, reader bool) (int64, error) {
	w := c.memory.ask(least, most)
	var impatient <-chan time.Time
	if reader {
		ticker := time.NewTicker(c.evictAfter)
		defer ticker.Stop()
		impatient = ticker.C
	}
	for {
		select {
		case bytes := <-w.granted:
			return bytes, nil
		default:
		}
		if evict := c.oldestLent(); evict != nil {
			evict()
			continue
		}
		select {
		case bytes := <-w.granted:
			return bytes, nil
		case <-impatient:
			if c.memory.first(w) { // what was free was held back for others
				continue
			}
			if evict := c.youngestRefresh(); evict != nil { // what it gives is for who stands first
				evict()
			}
		case <-ctx.Done():
			c.memory.withdraw(w)
			return 0, context.Cause(ctx)
		}
	}
}

// oldestLent takes back the grant that was lent first, and returns what sees to its release; nil when none is lent.
func (c *Capacity) oldestLent() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lent) == 0 {
		return nil
	}
	g := c.lent[0]
	c.forget(g)
	g.use = taken
	return g.evict
}

// youngestRefresh takes back the grant of the refresh that has begun last, and returns what sees to its release; nil when none has any.
func (c *Capacity) youngestRefresh() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range slices.Backward(c.loading) {
		if g.use == working {
			g.use = taken
			return g.evict
		}
	}
	return nil
}

// forget takes a grant off the lists. The caller holds the mutex.
func (c *Capacity) forget(g *Grant) {
	same := func(other *Grant) bool { return other == g }
	c.lent, c.loading = slices.DeleteFunc(c.lent, same), slices.DeleteFunc(c.loading, same)
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
	w := p.ask(least, most)
	select {
	case amount := <-w.granted:
		return amount, nil
	case <-ctx.Done():
		p.withdraw(w)
		return 0, context.Cause(ctx)
	}
}

// ask queues a wish, which may be granted at once.
func (p *pool) ask(least, most int64) *waiter {
	least = min(max(least, 0), p.size)
	w := &waiter{least: least, most: max(least, most), granted: make(chan int64, 1)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters = append(p.waiters, w)
	p.serve()
	return w
}

// first puts a waiter before all others, and tells whether it has been granted its wish.
func (p *pool) first(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Insert(slices.Delete(p.waiters, i, i+1), 0, w)
		p.serve()
	}
	return !slices.Contains(p.waiters, w)
}

// withdraw ends a wish, granted or not.
func (p *pool) withdraw(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
	} else {
		p.taken -= <-w.granted // served at the same moment
	}
	p.serve() // who stood behind may fit now
}

// tryTake takes an amount that is free, unless somebody waits.
func (p *pool) tryTake(amount int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiters) > 0 || p.size-p.taken < amount {
		return false
	}
	p.taken += amount
	return true
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
