package refresh

import (
	"slices"
	"sync"
	"time"
)

// Progress tells how far a load is. Totals are 0 where the source cannot tell.
type Progress struct {
	Table       string
	Partition   string
	Rows        int64
	Bytes       int64
	TotalRows   int64
	TotalBytes  int64
	Estimated   bool    // TotalRows is the source's own estimate
	RowsPerSec  float64 // over the whole step
	StartedAt   time.Time
	ExpectedEnd time.Time // zero: unknown, or done
	Done        bool
}

// gauge tells how much a load has read.
type gauge func() Progress

// tracker keeps the progress of one operation's loads, in memory only.
type tracker struct {
	mu    sync.Mutex
	loads map[int]*tracked // by step number
}

type tracked struct {
	table, partition string
	started, ended   time.Time
	gauge            gauge
	last             Progress
}

func newTracker() *tracker { return &tracker{loads: map[int]*tracked{}} }

// begin starts the progress of a step. measure may be called once the reading has a gauge, end when it is over.
func (t *tracker) begin(step Step, now time.Time) (measure func(gauge), end func(now time.Time)) {
	load := &tracked{table: step.Table, partition: step.Partition, started: now}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loads[step.Number] = load
	measure = func(g gauge) {
		t.mu.Lock()
		defer t.mu.Unlock()
		load.gauge = g
	}
	end = func(now time.Time) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if load.gauge != nil {
			load.last = load.gauge()
		}
		load.gauge, load.ended = nil, now
	}
	return measure, end
}

// read returns the progress of all loads in the order of their steps.
func (t *tracker) read(now time.Time) []Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	numbers := make([]int, 0, len(t.loads))
	for number := range t.loads {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	all := make([]Progress, 0, len(numbers))
	for _, number := range numbers {
		all = append(all, t.loads[number].read(now))
	}
	return all
}

func (l *tracked) read(now time.Time) Progress {
	p := l.last
	if l.gauge != nil {
		p = l.gauge()
	}
	p.Table, p.Partition, p.StartedAt, p.Done = l.table, l.partition, l.started, !l.ended.IsZero()
	if p.Done {
		now = l.ended
	}
	elapsed := now.Sub(l.started)
	if elapsed <= 0 {
		return p
	}
	p.RowsPerSec = float64(p.Rows) / elapsed.Seconds()
	if !p.Done {
		if share := p.share(); share > 0 {
			p.ExpectedEnd = l.started.Add(time.Duration(float64(elapsed) / share))
		}
	}
	return p
}

// share is how much of the whole is read, from 0 to 1; 0 when the source cannot tell.
func (p Progress) share() float64 {
	switch {
	case p.TotalRows > 0:
		return min(1, float64(p.Rows)/float64(p.TotalRows))
	case p.TotalBytes > 0:
		return min(1, float64(p.Bytes)/float64(p.TotalBytes))
	}
	return 0
}
