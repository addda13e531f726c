package postgres

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// recycler hands the buffers of batches that were released to the batches after them: fresh ones are cleared by Go, touched for the first
// time page by page, and make the garbage collector run.
type recycler struct {
	from memory.Allocator
	most int // buffers that are kept

	mu     sync.Mutex
	free   [][]byte
	closed bool
}

func (r *recycler) Allocate(size int) []byte {
	if b := r.take(size); b != nil {
		return b
	}
	return r.from.Allocate(size)
}

// take finds a kept buffer that is large enough, and not much too large.
func (r *recycler) take(size int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, b := range r.free {
		if cap(b) >= size && cap(b) <= 2*size {
			last := len(r.free) - 1
			r.free[i], r.free[last], r.free = r.free[last], nil, r.free[:last]
			return b[:size]
		}
	}
	return nil
}

func (r *recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}

func (r *recycler) Free(b []byte) {
	if cap(b) == 0 {
		return
	}
	b = b[:cap(b)]
	r.mu.Lock()
	keep := !r.closed && len(r.free) < r.most
	if keep {
		r.free = append(r.free, b)
	}
	r.mu.Unlock()
	if !keep {
		r.from.Free(b)
	}
}

// close gives everything back; batches that are still held give back theirs when they are released.
func (r *recycler) close() {
	r.mu.Lock()
	free := r.free
	r.free, r.closed = nil, true
	r.mu.Unlock()
	for _, b := range free {
		r.from.Free(b)
	}
}
