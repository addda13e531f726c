package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/term"

	"freshet.dev/powerbi"
)

// watcher shows how far a refresh is.
type watcher interface {
	interval() time.Duration               // between two reads
	observe(of string, o powerbi.Observed) // of: the dataflow, where several are refreshed together
	note(text string)
	end()
}

// watch returns a live display on a terminal, plain lines elsewhere.
func (a *app) watch() watcher {
	if file, isFile := a.out.(*os.File); isFile && term.IsTerminal(int(file.Fd())) {
		return newLiveWatch(file)
	}
	return newLineWatch(a.out, time.Now)
}

// place names a partition.
type place struct{ of, table, partition string }

func (p place) String() string {
	if p.of != "" {
		return p.of + "/" + p.table + "/" + p.partition
	}
	return p.table + "/" + p.partition
}

// partitions returns what is known of the partitions: from Freshet with rows, from Power BI with their status alone.
func partitions(detail powerbi.RefreshDetail) []powerbi.ObjectProgress {
	if detail.Freshet != nil {
		return detail.Freshet.Objects
	}
	objects := make([]powerbi.ObjectProgress, 0, len(detail.Objects))
	for _, object := range detail.Objects {
		objects = append(objects, powerbi.ObjectProgress{Table: object.Table, Partition: object.Partition, Status: object.Status})
	}
	return objects
}

// pace describes rows and speed.
func pace(o powerbi.ObjectProgress) string {
	text := rowCount(o.Rows)
	if o.RowsPerSecond > 0 {
		text += fmt.Sprintf(", %s rows/s", count(o.RowsPerSecond))
	}
	return text
}

func rowCount(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return count(n) + " rows"
}

// part tells how much of a partition is read, in per cent; below 0 when the source cannot tell.
func part(o powerbi.ObjectProgress) int64 {
	switch {
	case o.TotalBytes > 0:
		return min(100, 100*o.Bytes/o.TotalBytes)
	case o.TotalRows > 0:
		return min(100, 100*o.Rows/o.TotalRows)
	}
	return -1
}

// lineWatch prints a line when a partition changes its state, and one for each running partition every few seconds.
type lineWatch struct {
	out    io.Writer
	now    func() time.Time
	states map[place]powerbi.Status
	wholes map[string]*whole
}

// whole is what was printed of one refresh.
type whole struct {
	last   time.Time
	status powerbi.Status
}

func newLineWatch(out io.Writer, now func() time.Time) *lineWatch {
	return &lineWatch{out: out, now: now, states: map[place]powerbi.Status{}, wholes: map[string]*whole{}}
}

const lineEvery = 5 * time.Second

func (w *lineWatch) interval() time.Duration { return time.Second }

func (w *lineWatch) say(text string) {
	fmt.Fprintf(w.out, "%s %s\n", w.now().Format(time.TimeOnly), printable(text))
}

func (w *lineWatch) observe(of string, o powerbi.Observed) {
	refresh := w.wholes[of]
	if refresh == nil {
		refresh = &whole{}
		w.wholes[of] = refresh
	}
	due := w.now().Sub(refresh.last) >= lineEvery
	if o.Status != refresh.status && !o.Status.Ended() {
		text := string(o.Status)
		if of != "" {
			text = of + ": " + text
		}
		w.say(text)
	}
	refresh.status = o.Status
	for _, object := range partitions(o.Detail) {
		at := place{of, object.Table, object.Partition}
		changed := w.states[at] != object.Status && object.Status != powerbi.NotStarted
		running := object.Status == powerbi.InProgress && object.Rows > 0
		w.states[at] = object.Status
		if !changed && !(running && due) {
			continue
		}
		text := fmt.Sprintf("%s: %s", at, object.Status)
		if object.Rows > 0 {
			text += ", " + pace(object)
		}
		if percent := part(object); percent >= 0 && running {
			text += fmt.Sprintf(", %d %%", percent)
		}
		if object.Note != "" {
			text += ", " + object.Note
		}
		w.say(text)
	}
	if due {
		refresh.last = w.now()
	}
}

func (w *lineWatch) note(text string) { w.say(text) }

func (w *lineWatch) end() {}

// liveWatch draws a line for each partition that runs.
type liveWatch struct {
	writer   progress.Writer
	trackers map[place]*progress.Tracker
	rendered chan struct{}
}

func newLiveWatch(out io.Writer) *liveWatch {
	w := &liveWatch{writer: progress.NewWriter(), trackers: map[place]*progress.Tracker{}, rendered: make(chan struct{})}
	w.writer.SetOutputWriter(out)
	w.writer.SetAutoStop(false)
	w.writer.SetUpdateFrequency(200 * time.Millisecond)
	w.writer.SetTrackerLength(20)
	w.writer.SetTrackerPosition(progress.PositionRight)
	w.writer.SetMessageLength(64)
	style := progress.StyleDefault
	style.Visibility.Value, style.Visibility.Speed, style.Visibility.ETA, style.Visibility.TrackerOverall = false, false, true, false
	w.writer.SetStyle(style)
	go func() {
		defer close(w.rendered)
		w.writer.Render()
	}()
	return w
}

func (w *liveWatch) interval() time.Duration { return time.Second }

func (w *liveWatch) observe(of string, o powerbi.Observed) {
	for _, object := range partitions(o.Detail) {
		at := place{of, object.Table, object.Partition}
		tracker := w.trackers[at]
		if tracker == nil {
			if object.Status == powerbi.NotStarted || object.Status == "" {
				continue
			}
			tracker = &progress.Tracker{AutoStopDisabled: true}
			w.trackers[at] = tracker
			w.writer.AppendTracker(tracker)
		}
		if tracker.IsDone() {
			continue
		}
		tracker.UpdateMessage(fmt.Sprintf("%-32s %s", printable(at.String()), pace(object)))
		if percent := part(object); percent >= 0 {
			tracker.UpdateTotal(100)
			tracker.SetValue(percent)
		}
		switch object.Status {
		case powerbi.Completed:
			tracker.MarkAsDone()
		case powerbi.Failed, powerbi.Cancelled:
			tracker.MarkAsErrored()
		}
	}
}

func (w *liveWatch) note(text string) { w.writer.Log("%s", printable(text)) }

func (w *liveWatch) end() {
	for _, tracker := range w.trackers {
		if !tracker.IsDone() {
			tracker.MarkAsErrored() // whatever was not told to be done
		}
	}
	w.writer.Stop()
	<-w.rendered
}
