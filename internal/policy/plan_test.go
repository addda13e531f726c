package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"freshet.dev/internal/model"
)

// table is a table that plans are carried out on.
type table struct {
	policy     Policy
	partitions []Partition
}

// run carries out the plan of a day and returns its steps.
func (x *table) run(t testing.TB, day time.Time, automatic bool) []Step {
	t.Helper()
	steps, err := x.policy.Plan(Request{Today: day, Automatic: automatic}, x.partitions)
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]Partition{}
	next := slices.Clone(x.partitions)
	for _, held := range x.partitions {
		before[strings.ToLower(held.Name)] = held
	}
	gone := func(name string) {
		next = slices.DeleteFunc(next, func(p Partition) bool { return model.EqualNames(p.Name, name) })
	}
	for _, step := range steps {
		if step.Action == Drop || step.Action == Remove {
			gone(step.Name)
		}
	}
	for _, step := range steps {
		made := Partition{Name: step.Name, Range: step.Range, Ready: true, Files: []Range{step.Range}}
		switch step.Action {
		case Load:
			gone(step.Name)
		case Merge:
			made.Files = nil
			for _, taken := range step.Takes {
				for _, file := range before[strings.ToLower(taken)].Files {
					if step.Range.holds(file) {
						made.Files = append(made.Files, file)
					}
				}
			}
			if !tiles(made.Files, made.Range) {
				t.Fatalf("%s: %s takes files that do not tile it: %v", day.Format(dateForm), step.Name, made.Files)
			}
		case Live:
			gone(step.Name)
			made.Files = nil
		default:
			continue
		}
		next = append(next, made)
	}
	slices.SortStableFunc(next, func(a, b Partition) int { return a.Range.Start.Compare(b.Range.Start) })
	x.partitions = next
	return steps
}

// names lists the partitions.
func (x *table) names() string {
	var names []string
	for _, partition := range x.partitions {
		name := partition.Name
		if !partition.Ready {
			name += "(empty)"
		}
		names = append(names, name)
	}
	return short(names)
}

// check tells whether the partitions tile the window and nothing is held twice. Partitions may lie outside the window where a test says so.
func (x *table) check(t testing.TB, day time.Time, outside bool) {
	t.Helper()
	w := x.policy.window(day)
	at := w.start
	for i, partition := range x.partitions {
		if partition.Range.End.IsZero() {
			if !partition.Range.Start.Equal(w.end) || i < len(x.partitions)-1 || x.partitions[i-1].Range.End.After(w.end) {
				t.Fatalf("%+v on %s: what queries read from the source from %s on is held too: %s", x.policy, day.Format(dateForm), partition.Range.Start.Format(dateForm), x.names())
			}
			continue
		}
		if i > 0 && partition.Range.Start.Before(x.partitions[i-1].Range.End) {
			t.Fatalf("%+v on %s: %s and %s hold the same moment", x.policy, day.Format(dateForm), x.partitions[i-1].Name, partition.Name)
		}
		if !outside && (partition.Range.Start.Before(w.start) || partition.Range.End.After(w.end)) {
			t.Fatalf("%+v on %s: %s lies outside the window", x.policy, day.Format(dateForm), partition.Name)
		}
		if !partition.Range.Start.After(at) && partition.Range.End.After(at) {
			at = partition.Range.End
		}
	}
	if at.Before(w.end) {
		t.Fatalf("%+v on %s: nothing holds %s: %s", x.policy, day.Format(dateForm), at.Format(dateForm), x.names())
	}
}

func date(t testing.TB, text string) time.Time {
	t.Helper()
	day, err := time.Parse(dateForm, text)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

// TestScripts carries out the scripts of testdata.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		x := &table{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "policy": // 3 year, 1 day [offset=n] [hybrid] [polls]: what it says from now on, of the table that there is
				x.policy = policyOf(t, d)
				if d.HasArg("new") {
					x.partitions = nil
				}
				return ""
			case "run": // DATE [automatic] [quiet]
				steps := x.run(t, date(t, d.CmdArgs[0].Key), d.HasArg("automatic"))
				x.check(t, date(t, d.CmdArgs[0].Key), true)
				return told(steps, d.HasArg("reasons")) + x.names() + "\n"
			case "clear": // NAME …
				for i := range x.partitions {
					if d.HasArg(x.partitions[i].Name) {
						x.partitions[i].Ready = false
					}
				}
				return x.names() + "\n"
			case "compact": // NAME …
				for i := range x.partitions {
					if d.HasArg(x.partitions[i].Name) {
						x.partitions[i].Files = []Range{x.partitions[i].Range}
					}
				}
				return ""
			case "lose": // NAME …
				x.partitions = slices.DeleteFunc(x.partitions, func(p Partition) bool { return d.HasArg(p.Name) })
				return x.names() + "\n"
			case "add": // NAME [START [END]]
				made := Partition{Name: d.CmdArgs[0].Key, Ready: true}
				switch len(d.CmdArgs) {
				case 2:
					made.Range.Start = date(t, d.CmdArgs[1].Key)
				case 3:
					made.Range = Range{date(t, d.CmdArgs[1].Key), date(t, d.CmdArgs[2].Key)}
					made.Files = []Range{made.Range}
				}
				x.partitions = append(x.partitions, made)
				return x.names() + "\n"
			}
			d.Fatalf(t, "unknown command")
			return ""
		})
	})
}

// policyOf reads the arguments of a policy command.
func policyOf(t *testing.T, d *datadriven.TestData) Policy {
	t.Helper()
	p := model.RefreshPolicy{SourceExpression: "Source"}
	d.ScanArgs(t, "rolling", &p.RollingWindowPeriods, &p.RollingWindowGranularity)
	d.ScanArgs(t, "incremental", &p.IncrementalPeriods, &p.IncrementalGranularity)
	d.MaybeScanArgs(t, "offset", &p.IncrementalPeriodsOffset)
	if d.HasArg("hybrid") {
		p.Mode = "hybrid"
	}
	if d.HasArg("polls") {
		p.PollingExpression = "Max"
	}
	made, err := New(&p)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// told lists the steps that change something, those of which the same is to be said in one line.
func told(steps []Step, reasons bool) string {
	var heads, tails []string
	names := map[int][]string{}
	for _, step := range steps {
		if step.Action == Keep && !reasons {
			continue
		}
		head, tail := strings.ToLower(string(step.Action)), ""
		if step.Polls {
			tail = " after a poll"
		}
		if len(step.Takes) > 0 {
			tail += " of " + short(step.Takes)
		}
		if reasons {
			tail += ": " + step.Reason
		}
		if n := len(heads); n == 0 || heads[n-1] != head || tails[n-1] != tail {
			heads, tails = append(heads, head), append(tails, tail)
		}
		line := len(heads)
		names[line] = append(names[line], step.Name)
	}
	var lines strings.Builder
	for i, head := range heads {
		fmt.Fprintf(&lines, "%s %s%s\n", head, short(names[i+1]), tails[i])
	}
	return lines.String()
}

// short joins names; many of one month become the first and the last.
func short(names []string) string {
	var parts []string
	for i := 0; i < len(names); {
		end := i + 1
		for end < len(names) && len(names[end]) == len("2024Q10131") && names[end][:8] == names[i][:min(8, len(names[i]))] {
			end++
		}
		switch {
		case end-i > 3:
			parts = append(parts, fmt.Sprintf("%s…%s(%d)", names[i], names[end-1][8:], end-i))
		default:
			parts = append(parts, names[i:end]...)
		}
		i = end
	}
	return strings.Join(parts, " ")
}

// given is a worked case of the specification.
type given struct {
	Label, Source                             string
	EffectiveDate                             string
	Policy                                    givenPolicy
	IncrementalStart, IncrementalEndExclusive string
	RollingTail                               string
	Partitions                                []struct{ Name, Start, End, Granularity, Role string }
	Sequence                                  []struct {
		RunDate, NewestExistingPartition, IncrementalHead, RefreshFrom, RefreshToInclusive string
		DaysRefreshed                                                                      int
	}
}

type givenPolicy struct {
	RollingWindowGranularity, IncrementalGranularity, Mode             string
	RollingWindowPeriods, IncrementalPeriods, IncrementalPeriodsOffset int
}

// TestGivenCases holds the planner against every worked case of the specification, each with its source.
func TestGivenCases(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "spec", "incremental-refresh-cases.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("SKIPPED: ../shared is absent, which has the worked cases; testdata has others")
	}
	if err != nil {
		t.Fatal(err)
	}
	var cases []given
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 15 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Label, func(t *testing.T) {
			p, err := New(&model.RefreshPolicy{
				Mode: c.Policy.Mode, SourceExpression: "Source",
				RollingWindowGranularity: c.Policy.RollingWindowGranularity, RollingWindowPeriods: c.Policy.RollingWindowPeriods,
				IncrementalGranularity: c.Policy.IncrementalGranularity, IncrementalPeriods: c.Policy.IncrementalPeriods,
				IncrementalPeriodsOffset: c.Policy.IncrementalPeriodsOffset,
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Sequence) > 0 {
				c.catchUp(t, p)
				return
			}
			today := date(t, c.EffectiveDate)
			w := p.window(today)
			if got := p.tail(p.head(today)).Format(dateForm); got != c.RollingTail {
				t.Errorf("tail %s, want %s", got, c.RollingTail)
			}
			if got, want := (Range{w.incremental, w.end}).String(), c.IncrementalStart+" to "+c.IncrementalEndExclusive; got != want {
				t.Errorf("incremental range %s, want %s", got, want)
			}
			var want []string
			for _, partition := range c.Partitions {
				if partition.Role == "directQuery" { // its name is not documented
					partition.Name = LiveName
				}
				want = append(want, strings.TrimSpace(partition.Name+" "+partition.Start+" to "+partition.End+" "+partition.Granularity+" "+partition.Role))
			}
			x := &table{policy: p}
			var got []string
			for _, step := range x.run(t, today, false) {
				grain, _ := step.Range.grain()
				described := step.Name + " " + step.Range.String() + " " + grain.String() + " history"
				switch {
				case step.Action == Live:
					described = step.Name + " " + step.Range.String() + "  directQuery"
				case step.Incremental:
					described = strings.TrimSuffix(described, "history") + "incremental"
				}
				got = append(got, described)
			}
			if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
				t.Errorf("got\n%s\nwant\n%s", a, b)
			}
		})
	}
}

// catchUp holds a run after missed ones against what the documents say of it.
func (c given) catchUp(t *testing.T, p Policy) {
	x := &table{policy: p}
	x.run(t, date(t, c.Sequence[0].RunDate).AddDate(0, 0, -1), false)
	for _, run := range c.Sequence {
		if newest := x.partitions[len(x.partitions)-1].Range.Start.Format(dateForm); newest != run.NewestExistingPartition {
			x.run(t, date(t, run.NewestExistingPartition).AddDate(0, 0, 1), false)
		}
		var read []Range
		for _, step := range x.run(t, date(t, run.RunDate), false) {
			if step.Action == Load {
				read = append(read, step.Range)
			}
		}
		last := read[len(read)-1].Start.Format(dateForm)
		if read[0].Start.Format(dateForm) != run.RefreshFrom || last != run.RefreshToInclusive || last != run.IncrementalHead || len(read) != run.DaysRefreshed {
			t.Errorf("run of %s read %d from %s to %s, want %+v", run.RunDate, len(read), read[0], last, run)
		}
	}
}

// random is a policy that Desktop would allow, small enough to be run a thousand times.
func random(r *rand.Rand) Policy {
	p := Policy{rolling: span{grain: Grain(r.IntN(4))}, offset: -r.IntN(3)}
	p.incremental.grain = Grain(r.IntN(int(p.rolling.grain) + 1))
	p.rolling.periods = 1 + r.IntN([]int{90, 30, 8, 3}[p.rolling.grain])
	p.incremental.periods = 1 + r.IntN([]int{12, 6, 3, 2}[p.incremental.grain])
	if r.IntN(4) == 0 {
		p.offset = r.IntN(3)
	}
	p.hybrid = r.IntN(4) == 0
	return p
}

// TestPolicyDayByDay: after a run a day for three years the table has the partitions that one run on the last day makes of nothing; every day
// they tile the window, a second run changes nothing, and only the incremental range is read.
func TestPolicyDayByDay(t *testing.T) {
	runs := uint64(3)
	if text := os.Getenv("FRESHET_POLICY_RUNS"); text != "" {
		var err error
		if runs, err = strconv.ParseUint(text, 10, 32); err != nil {
			t.Fatal(err)
		}
	}
	for n := range runs {
		r := rand.New(rand.NewPCG(1, n))
		x := &table{policy: random(r)}
		day := date(t, "2018-01-01").AddDate(0, 0, r.IntN(3000))
		for range 3*365 + 1 {
			x.run(t, day, false)
			x.check(t, day, false)
			once := &table{policy: x.policy}
			once.run(t, day, false)
			if got, want := x.names(), once.names(); got != want {
				t.Fatalf("run %d: %+v on %s has\n%s\nwant\n%s", n, x.policy, day.Format(dateForm), got, want)
			}
			x.second(t, day)
			day = day.AddDate(0, 0, 1)
		}
	}
}

// second runs once more on a day, and fails when that changes more than it reads anew.
func (x *table) second(t *testing.T, day time.Time) {
	t.Helper()
	before, w := x.names(), x.policy.window(day)
	for _, step := range x.run(t, day, false) {
		if step.Action != Keep && step.Action != Live && !(step.Action == Load && !step.New && !step.Range.Start.Before(w.incremental) && !step.Range.End.After(w.end)) {
			t.Fatalf("%+v: a second run on %s does %+v", x.policy, day.Format(dateForm), step)
		}
	}
	if x.names() != before {
		t.Fatalf("%+v: a second run on %s made\n%s\nof\n%s", x.policy, day.Format(dateForm), x.names(), before)
	}
}

// TestPolicyTrouble: whatever happens to a table — pauses, days that go back, other policies, partitions that are lost, cleared, compacted or not
// the policy's — its partitions tile the window, no moment is held twice, and two quiet runs later nothing changes any more.
func TestPolicyTrouble(t *testing.T) {
	for n := range uint64(150) {
		r := rand.New(rand.NewPCG(7, n))
		x := &table{policy: random(r)}
		day := date(t, "2019-01-01").AddDate(0, 0, r.IntN(2500))
		for range 30 {
			switch r.IntN(9) {
			case 0:
				day = day.AddDate(0, 0, r.IntN(500))
			case 1:
				day = day.AddDate(0, 0, -r.IntN(200))
			case 2:
				x.policy = random(r)
			case 3:
				if len(x.partitions) > 0 {
					x.partitions = slices.Delete(x.partitions, 0, 1+r.IntN(len(x.partitions)))
				}
			case 4, 5:
				for i := range x.partitions {
					x.partitions[i].Ready = x.partitions[i].Ready && r.IntN(20) > 0
					if r.IntN(3) == 0 {
						x.partitions[i].Files = []Range{x.partitions[i].Range}
					}
				}
			case 6:
				at := day.AddDate(0, 0, -r.IntN(800))
				strange := Range{at, at.AddDate(0, 0, 1+r.IntN(40))}
				x.partitions = append(x.partitions, Partition{Name: "strange", Range: strange, Ready: true, Files: []Range{strange}})
			default:
				day = day.AddDate(0, 0, 1)
			}
			x.run(t, day, r.IntN(4) == 0)
			x.check(t, day, true)
			if slices.ContainsFunc(x.partitions, func(p Partition) bool { return p.Name == "strange" }) {
				t.Fatalf("a partition that the policy does not make stays: %s", x.names())
			}
		}
		x.run(t, day, false)
		x.check(t, day, true)
		x.second(t, day)
	}
}

// TestNew: a policy that cannot be applied is refused by what is wrong with it.
func TestNew(t *testing.T) {
	sound := model.RefreshPolicy{RollingWindowGranularity: "year", RollingWindowPeriods: 3, IncrementalGranularity: "day", IncrementalPeriods: 1, SourceExpression: "Source"}
	for _, tt := range []struct {
		says string
		edit func(*model.RefreshPolicy)
	}{
		{"granularity is 'week'", func(p *model.RefreshPolicy) { p.RollingWindowGranularity = "week" }},
		{"granularity is ''", func(p *model.RefreshPolicy) { p.IncrementalGranularity = "" }},
		{"has 0 periods", func(p *model.RefreshPolicy) { p.IncrementalPeriods = 0 }},
		{"has -1 periods", func(p *model.RefreshPolicy) { p.RollingWindowPeriods = -1 }},
		{"offset is -60000", func(p *model.RefreshPolicy) { p.IncrementalPeriodsOffset = -60000 }},
		{"no sourceExpression", func(p *model.RefreshPolicy) { p.SourceExpression = "" }},
	} {
		broken := sound
		tt.edit(&broken)
		if _, err := New(&broken); err == nil || !strings.Contains(err.Error(), "cannot apply the refresh policy: ") || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v, want one that says %s", err, tt.says)
		}
	}
	for _, tt := range []struct {
		says string
		edit func(*model.RefreshPolicy)
	}{
		{"beyond the years 1 to 9999", func(p *model.RefreshPolicy) { p.RollingWindowPeriods = 2100 }},
		{"it makes 20001 partitions", func(p *model.RefreshPolicy) { p.RollingWindowGranularity, p.RollingWindowPeriods = "day", 20000 }},
	} {
		large := sound
		tt.edit(&large)
		p, err := New(&large)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Plan(Request{Today: date(t, "2026-03-01")}, nil); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v, want one that says %s", err, tt.says)
		}
	}
}

// TestParseRange: the borders of versions and of definitions are read, and what holds no moment is refused.
func TestParseRange(t *testing.T) {
	for _, tt := range []struct{ start, end, want string }{
		{"2026-03-01", "2026-04-01", "2026-03-01 to 2026-04-01"},
		{"2026-03-01T00:00:00", "2026-04-01T00:00:00Z", "2026-03-01 to 2026-04-01"},
		{"2026-03-01", "", "2026-03-01 to "},
		{"", "2026-03-01", "it holds no moment"},
		{"2026-03-01", "2026-03-01", "it holds no moment"},
		{"yesterday", "2026-03-01", "cannot read 'yesterday'"},
	} {
		r, err := ParseRange(tt.start, tt.end)
		got := r.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s, %s: %s, want %s", tt.start, tt.end, got, tt.want)
		}
	}
}
