package crash

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// points is the one list of the named points at which the suite makes faults, in the order of doc/refresh-cycle.md, whose numbers they
// have. A point "x, before" is reached when the write x is about to be made, "x, after" when it is durable and nobody knows yet. Those of
// the log are made by seam, the others by the failpoints of store and catalog.
var points = []point{
	{1, "submit, before", onTheWay}, {1, "submit, after", onTheWay},
	{2, "claim, before", onTheWay}, {2, "claim, after", onTheWay},
	{3, "running, before", onTheWay}, {3, "running, after", onTheWay},
	{4, "plan, before", onTheWay}, {4, "plan, after", onTheWay},
	{5, "attempt begun, before", onTheWay}, {5, "attempt begun, after", onTheWay},
	{5, "heartbeat, before", onTheWay}, {5, "heartbeat, after", onTheWay},
	{6, "step running, before", onTheWay}, {6, "step running, after", onTheWay},
	{7, "pinned, before", onPin}, {7, "pinned, after", onPin},
	{7, "draft written", onTheWay}, {7, "draft synced", onTheWay}, {7, "file renamed", onTheWay}, {7, "folder synced", onTheWay},
	{7, "step finished, before", onTheWay}, {7, "step finished, after", onTheWay},
	{7, "step skipped, before", onChain}, {7, "step skipped, after", onChain},
	{8, "step failed, before", onFailure}, {8, "step failed, after", onFailure},
	{9, "attempt ended, before", onFailure}, {9, "attempt ended, after", onFailure},
	{9, "backoff, before", onFailure}, {9, "backoff, after", onFailure},
	{9, "running again, before", onFailure}, {9, "running again, after", onFailure},
	{9, "step planned again, before", onFailure}, {9, "step planned again, after", onFailure},
	{9, "ended, before", onTheEnd}, {9, "ended, after", onTheEnd},
	{10, "committing, before", onTheWay}, {10, "committing, after", onTheWay},
	{11, "commit, before", onTheWay}, {11, "version written", onTheWay}, {11, "queued promoted", onPromotion},
	{11, "commit written", onTheWay}, {11, "commit, after", onTheWay},
	{11, "chain commit, before", onChain}, {11, "chain commit, after", onChain},
	{12, "sweep listed", onTheWay}, {12, "sweep deletes", onTheWay},
	{13, "paused, before", onPause}, {13, "paused, after", onPause},
	{13, "resumed, before", onPause}, {13, "resumed, after", onPause},
	{14, "rows written", onFolder}, {14, "rows renamed", onFolder}, {14, "model.json written", onFolder}, {14, "model.json renamed", onFolder},
}

// point is one place in the order of writes.
type point struct {
	step int // the number in doc/refresh-cycle.md; 12 is what it says about deleting, 13 about a capacity that is paused, 14 about CDM folders
	name string
	way  way
}

// way says what a refresh must meet to come to a point.
type way uint8

const (
	onTheWay    way = iota // nothing: every refresh does
	onFailure              // a failed attempt that is not the last
	onTheEnd               // a failed last attempt
	onPromotion            // another standard refresh that is queued
	onPause                // a pause of its capacity, which is resumed as soon as the refresh rests
	onChain                // it is that of a chain of dataflows
	onPin                  // likewise, one of which reads a dataflow outside of it; that is refreshed meanwhile
	onFolder               // likewise; the dataflows are written as CDM folders
)

func pointNamed(name string) (point, bool) {
	for _, p := range points {
		if p.name == name {
			return p, true
		}
	}
	return point{}, false
}

// inTransaction tells whether the catalog's write lock is held at the point, so that nobody can take over meanwhile.
func (p point) inTransaction() bool {
	return p.name == "version written" || p.name == "queued promoted" || p.name == "commit written"
}

// settles tells whether a refresh may have nothing more to write after the point.
func (p point) settles(mode string) bool {
	if mode == allOrNothing && p.name == "committing, after" { // it is left to who commits the chain
		return true
	}
	return p.inTransaction() || p.step == 1 || p.name == "commit, after" || p.name == "chain commit, after" || p.name == "ended, after" || p.name == "paused, after" || strings.HasPrefix(p.name, "heartbeat")
}

// impossible says why a point cannot be reached in a mode and a try; "" when it can.
func (p point) impossible(fault, mode, try string) string {
	chain := mode == allOrNothing || mode == commitEach
	switch {
	case (p.way == onChain || p.way == onPin || p.way == onFolder) && !chain:
		return "it belongs to dataflows"
	case mode == allOrNothing && strings.HasPrefix(p.name, "commit,"), mode == commitEach && strings.HasPrefix(p.name, "chain commit"):
		return "a chain commits as a whole or each by itself"
	case p.way == onFolder && fault == staleOwner:
		return "an owner of folders has locked the data directory"
	case try == retried && strings.HasPrefix(p.name, "step skipped"):
		return "a poll that has an answer is not asked again"
	case try == retried && (p.step == 1 || p.step == 3 || p.step == 4):
		return "it happens once in an operation"
	case p.way == onPromotion && (mode == partialBatch || try == retried):
		return "standard refreshes are transactional and not retried"
	}
	return ""
}

// The table of doc/refresh-cycle.md is the list.
func TestThePageNamesThePoints(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "doc", "refresh-cycle.md"))
	must(t, err)
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+|deleting|pausing|folders) \| (.*) \|$`).FindAllStringSubmatch(string(page), -1) {
		for name := range strings.SplitSeq(row[2], "; ") {
			listed = append(listed, row[1]+" "+name)
		}
	}
	var want []string
	for _, p := range points {
		step := strconv.Itoa(p.step)
		switch p.step {
		case 12:
			step = "deleting"
		case 13:
			step = "pausing"
		case 14:
			step = "folders"
		}
		want = append(want, step+" "+p.name)
	}
	if !slices.Equal(listed, want) {
		t.Errorf("the page has %q\nthe list is  %q", listed, want)
	}
}
