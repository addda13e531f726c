package refresh

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// Type is what a refresh does to the objects in its scope.
type Type string

// The types, as they are written in answers (R8).
const (
	Full        Type = "Full"        // load, then recalculate dependents
	ClearValues Type = "ClearValues" // forget rows, and those of dependents
	Calculate   Type = "Calculate"   // recalculate what needs it
	DataOnly    Type = "DataOnly"    // load, clear dependents
	Automatic   Type = "Automatic"   // load and recalculate what is not Ready
	Defragment  Type = "Defragment"  // compact the stored form
)

// loads tells whether the type reads sources, and so may apply a refresh policy.
func (t Type) loads() bool { return t == Full || t == DataOnly || t == Automatic }

// CommitMode says when readers see what was loaded.
type CommitMode string

// The commit modes (R9).
const (
	Transactional CommitMode = "Transactional" // all objects at once, or none
	PartialBatch  CommitMode = "PartialBatch"  // each partition as it finishes
)

// Object names a table, or one partition of it.
type Object struct {
	Table     string
	Partition string // "" = all partitions
}

// Request is what an operation was asked to do, complete: every default is filled in.
type Request struct {
	Type               Type
	CommitMode         CommitMode
	MaxParallelism     int
	RetryCount         int
	Objects            []Object // as named, each once, in the model's spelling; none = the whole model
	ApplyRefreshPolicy bool
	EffectiveDate      time.Time     // midnight, UTC, of the day that the refresh policy takes for today
	Timeout            time.Duration // of one attempt
	Notify             string        // R16: NoNotification, MailOnFailure, MailOnCompletion; "" = not named
	Force              bool          `json:",omitempty"` // commit also what guards refuse
	Alone              bool          `json:",omitempty"` // of a dataflow: no refresh waits for it, and it waits for none
	Chain              *Chain        `json:",omitempty"` // of a dataflow that is refreshed together with others
	Rollback           *Rollback     `json:",omitempty"` // nothing is refreshed: an earlier version is committed again
}

// Rollback names a version to go back to.
type Rollback struct {
	Version        int64 // 0 in a wish = the one before the current one
	WithDefinition bool  // deploy the version's definition again where the model has another one now
}

// Params are the parameters of a refresh as a caller named them: nil means not named.
type Params struct {
	Type               *string
	CommitMode         *string
	MaxParallelism     *int64
	RetryCount         *int64
	Objects            []Object // non-nil and empty = named, and empty
	ApplyRefreshPolicy *bool
	EffectiveDate      *string
	Timeout            *string
	NotifyOption       *string
}

// Enhanced tells whether the parameters make the refresh an enhanced one: any is named besides notifyOption (R5).
func (p Params) Enhanced() bool {
	return p.Type != nil || p.CommitMode != nil || p.MaxParallelism != nil || p.RetryCount != nil || p.Objects != nil ||
		p.ApplyRefreshPolicy != nil || p.EffectiveDate != nil || p.Timeout != nil
}

const (
	defaultTimeout     = 5 * time.Hour
	defaultParallelism = 10
	maxCount           = 1<<31 - 1
)

// Request checks the parameters by themselves and fills in the defaults: those of a standard refresh, or of an enhanced one.
// today is the day on which the refresh was accepted. Every error is Invalid with CodeInvalidRequest and names what is allowed.
func (p Params) Request(trigger Trigger, today time.Time) (Request, error) {
	request := Request{
		Type: Full, CommitMode: Transactional, MaxParallelism: defaultParallelism, ApplyRefreshPolicy: true,
		EffectiveDate: day(today.UTC()), Timeout: defaultTimeout,
	}
	if trigger.Standard() {
		if p.Enhanced() {
			return Request{}, invalid("cannot give parameters to a refresh of kind %s: only notifyOption belongs to it", trigger)
		}
		if p.NotifyOption == nil {
			return request, nil
		}
		notify, err := choose("notifyOption", *p.NotifyOption, "NoNotification", "MailOnFailure", "MailOnCompletion")
		request.Notify = notify
		return request, err
	}
	request.Type = Automatic
	var err error
	if p.Type != nil {
		if request.Type, err = choose("type", *p.Type, Full, ClearValues, Calculate, DataOnly, Automatic, Defragment); err != nil {
			return Request{}, err
		}
	}
	if p.CommitMode != nil {
		if request.CommitMode, err = choose("commitMode", *p.CommitMode, Transactional, PartialBatch); err != nil {
			return Request{}, err
		}
	}
	if p.MaxParallelism != nil {
		if request.MaxParallelism, err = count("maxParallelism", *p.MaxParallelism, 1); err != nil {
			return Request{}, err
		}
	}
	if p.RetryCount != nil {
		if request.RetryCount, err = count("retryCount", *p.RetryCount, 0); err != nil {
			return Request{}, err
		}
	}
	if p.ApplyRefreshPolicy != nil {
		request.ApplyRefreshPolicy = *p.ApplyRefreshPolicy
	}
	if p.EffectiveDate != nil {
		if request.EffectiveDate, err = parseDate(*p.EffectiveDate); err != nil {
			return Request{}, err
		}
	}
	if p.Timeout != nil {
		if request.Timeout, err = parseTimeout(*p.Timeout); err != nil {
			return Request{}, err
		}
	}
	for _, object := range p.Objects {
		if object.Table == "" {
			if object.Partition != "" {
				return Request{}, invalid("cannot refresh partition '%s': the object names no table", object.Partition)
			}
			return Request{}, invalid("cannot refresh an object without a table: each of objects is {\"table\": …} or {\"table\": …, \"partition\": …}")
		}
	}
	request.Objects = p.Objects
	return request, nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, CodeInvalidRequest, format, args...)
}

// choose finds a value among those allowed, without regard to case.
func choose[T ~string](name, value string, allowed ...T) (T, error) {
	names := make([]string, len(allowed))
	for i, one := range allowed {
		if strings.EqualFold(value, string(one)) {
			return one, nil
		}
		names[i] = string(one)
	}
	return "", invalid("cannot use '%s' for %s: it is one of %s", value, name, strings.Join(names, ", "))
}

func count(name string, value, least int64) (int, error) {
	if value < least || value > maxCount {
		return 0, invalid("cannot use %d for %s: it is a whole number from %d to %d", value, name, least, maxCount)
	}
	return int(value), nil
}

// day is the midnight that begins t's day, in UTC.
func day(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }

// dateForms are the forms of effectiveDate: ISO, and en-US as TMSL's documentation has it (R14).
var dateForms = []string{
	"2006-01-02", time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15:04Z07:00",
	"1/2/2006", "1/2/2006 15:04:05", "1/2/2006 15:04", "1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM",
}

// parseDate reads a date, or the day of a date-time as it is written, whatever its offset.
func parseDate(text string) (time.Time, error) {
	for _, form := range dateForms {
		if t, err := time.Parse(form, strings.TrimSpace(text)); err == nil {
			return day(t), nil
		}
	}
	return time.Time{}, invalid("cannot use '%s' for effectiveDate: it is a date such as 2026-03-31, 2026-03-31T00:00:00Z or 3/31/2026", text)
}

var timeoutForm = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])$`)

func parseTimeout(text string) (time.Duration, error) {
	parts := timeoutForm.FindStringSubmatch(strings.TrimSpace(text))
	var seconds int
	for _, part := range parts[min(1, len(parts)):] {
		number, err := strconv.Atoi(part)
		if err != nil {
			return 0, err // the form has digits only
		}
		seconds = seconds*60 + number
	}
	if seconds == 0 {
		return 0, invalid("cannot use '%s' for timeout: it is hh:mm:ss from 00:00:01 to 23:59:59", text)
	}
	return time.Duration(seconds) * time.Second, nil
}

// resolve checks the request against the model as its current version has it: the objects exist (they come back in the model's spelling, each
// once), and no refresh policy would have to be applied where that cannot be done.
func (r Request) resolve(m *model.Model) (Request, error) {
	var objects []Object
	seen := map[Object]bool{}
	for _, object := range r.Objects {
		table := m.Table(object.Table)
		if table == nil {
			return Request{}, invalid("cannot find table '%s': the model has no such table", object.Table).
				WithHint("Its tables are %s.", listed(m.Tables, func(t *model.Table) string { return t.Name }))
		}
		found := Object{Table: table.Name}
		if object.Partition != "" {
			partition := table.Partition(object.Partition)
			if partition == nil {
				return Request{}, invalid("cannot find partition '%s' of table '%s': the table has no such partition", object.Partition, table.Name).
					WithHint("Its partitions are %s.", listed(table.Partitions, func(p *model.Partition) string { return p.Name }))
			}
			if r.Type == Defragment {
				return Request{}, invalid("cannot defragment partition '%s' of table '%s': type Defragment takes whole tables", partition.Name, table.Name)
			}
			found.Partition = partition.Name
		}
		if !seen[found] {
			seen[found] = true
			objects = append(objects, found)
		}
	}
	r.Objects = objects
	return r, r.checkPolicy(m)
}

// target is one partition in scope.
type target struct {
	table     *model.Table
	partition *model.Partition
}

// scope lists the partitions that the objects mean, each once, in the model's order.
func (r Request) scope(m *model.Model) []target {
	var targets []target
	for _, table := range m.Tables {
		for _, partition := range r.partitions(table) {
			targets = append(targets, target{table, partition})
		}
	}
	return targets
}

// leavesOut tells whether the request means the whole model, and the table is none of what that refreshes.
func (r Request) leavesOut(table *model.Table) bool {
	return len(r.Objects) == 0 && table.ExcludeFromModelRefresh
}

// partitions lists the partitions of a table that the objects mean.
func (r Request) partitions(table *model.Table) []*model.Partition {
	if r.leavesOut(table) {
		return nil
	}
	if len(r.Objects) == 0 {
		return table.Partitions
	}
	wanted := map[string]bool{}
	for _, object := range r.Objects {
		if object.Table == table.Name {
			wanted[object.Partition] = true
		}
	}
	if wanted[""] {
		return table.Partitions
	}
	return slices.DeleteFunc(slices.Clone(table.Partitions), func(p *model.Partition) bool { return !wanted[p.Name] })
}

// listed names at most a dozen of the items, for an error.
func listed[T any](items []T, name func(T) string) string {
	const most = 12
	var names []string
	for i, item := range items {
		if i == most {
			return strings.Join(names, ", ") + " and " + strconv.Itoa(len(items)-most) + " more"
		}
		names = append(names, "'"+name(item)+"'")
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}
