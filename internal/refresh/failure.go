package refresh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"freshet.dev/internal/fault"
)

// The causes with which the contexts of an operation end.
var (
	errShutdown  = errors.New("the service stops")
	errCancelled = errors.New("the refresh was cancelled")
	errStale     = errors.New("another owner has taken the refresh over")
	errEvicted   = errors.New("a reader needs the memory of the refresh")
	errPaused    = errors.New("the capacity is paused")
	errChain     = errors.New("another dataflow of the chain was not refreshed")
	errSibling   = errors.New("another step of the refresh has failed")
	errAttempt   = errors.New("the attempt reached its limit of time")
	errTotal     = errors.New("the refresh reached the limit of 24 hours")
)

// The limits of time (R32–R34, R36).
const (
	totalLimit = 24 * time.Hour
	downLimit  = 6 * time.Hour
	placeLimit = time.Hour
)

// verdict is what an error, or none, means for what it ended.
type verdict uint8

const (
	done      verdict = iota
	retry             // the next attempt may succeed
	failed            // no retry can mend it
	evicted           // a reader needed its memory; the next attempt may have it
	timedOut          // the attempt's limit; the next attempt has its own
	expired           // the operation's limit
	cancelled         // somebody asked for it
	abandoned         // not this owner's any more, the service stops, the capacity is paused or the chain broken: it is no outcome
	stopped           // because of another step, whose own error counts
)

// judge reads the outcome of a step or an attempt. ctx is the one that it ran under: when it has ended, its cause explains the error.
func judge(ctx context.Context, err error, retryAll bool) verdict {
	if err == nil {
		return done
	}
	if ctx.Err() != nil {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errCancelled):
			return cancelled
		case errors.Is(cause, errStale), errors.Is(cause, errShutdown), errors.Is(cause, errPaused), errors.Is(cause, errChain):
			return abandoned
		case errors.Is(cause, errEvicted):
			return evicted
		case errors.Is(cause, errAttempt):
			return timedOut
		case errors.Is(cause, errTotal):
			return expired
		case errors.Is(cause, errSibling):
			return stopped
		}
		return abandoned
	}
	if fault.CodeOf(err) == CodeStale {
		return abandoned
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Denied:
		if retryAll {
			return retry
		}
		return failed
	}
	return retry
}

// failureOf keeps an error as an operation's part does.
func failureOf(err error) *Failure {
	var known *fault.Error
	if !errors.As(err, &known) {
		return &Failure{Code: CodeInternal, Message: err.Error()}
	}
	code := known.Code
	if code == "" {
		code = CodeProcessing
	}
	text := known.Message
	// A panic inside the engine has its stack behind it: that is for the log alone.
	text, _, _ = strings.Cut(text, "\ngoroutine ")
	told := fault.Error{Message: text, Hint: known.Hint, Where: known.Where}
	return &Failure{Code: code, Message: told.Error(), Where: known.Where, Cause: text, Hint: known.Hint}
}

// message tells the failure to the reader of the operation.
func (f *Failure) message(kind MessageType, at time.Time) Message {
	return Message{At: at, Type: kind, Code: f.Code, Text: f.Message, Where: f.Where}
}

// summary is the failure of an operation some of whose steps failed: the first root cause, and how many there are.
func summary(failures []*Failure) *Failure {
	first := failures[0]
	text := first.Message
	if more := len(failures) - 1; more > 0 {
		text = strings.TrimSuffix(text, ".") + fmt.Sprintf(". %d more partitions failed; the messages of the refresh name them.", more)
	}
	return &Failure{Code: CodeProcessing, Message: text, Where: first.Where}
}

func attemptTimeout(limit time.Duration, left int) *Failure {
	text := fmt.Sprintf("cannot finish the refresh: the attempt reached its limit of %s", clock(limit))
	if left == 0 {
		text += ". Read less data from the source, refresh one table a request, use commitMode partialBatch, raise timeout, or set retryCount so that another attempt goes on from what was finished."
	}
	return &Failure{Code: CodeTimeout, Message: text}
}

func totalTimeout() *Failure {
	return &Failure{Code: CodeTimeout, Message: "cannot finish the refresh: it reached the limit of 24:00:00 since it was accepted, retries included. " +
		"Read less data from the source, refresh one table a request, or use commitMode partialBatch."}
}

func downTimeout(since time.Time, paused bool) *Failure {
	cause := "the service was down"
	if paused {
		cause = "its capacity was paused"
	}
	return &Failure{Code: CodeTimeout, Message: fmt.Sprintf("cannot go on with the refresh: %s since %s, 6 hours or longer. Send the request again.",
		cause, since.UTC().Format(time.RFC3339))}
}

// evictedFailure has Power BI's words (R35).
func evictedFailure() *Failure {
	return &Failure{Code: CodeEvicted, Message: "Session cancelled because it is connected to a database that has been evicted to free up memory for other operations"}
}

func placeTimeout() *Failure {
	return &Failure{Code: CodeProcessing, Message: "You've exceeded the capacity limit for dataset refreshes. Try again when fewer datasets are being processed. " +
		"(The refresh waited 1 hour for a place; maxConcurrentRefreshes of the capacity sets how many there are.)"}
}

// clock writes a duration as hh:mm:ss.
func clock(d time.Duration) string {
	seconds := int64(d / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
