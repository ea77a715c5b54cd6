package main

import (
	"fmt"
	"slices"
	"strings"
)

// A sample is what the cases of one round took, in seconds (or MiB, for memory).
type sample map[string]float64

// row is a line of the table: a figure worked out of the cases it needs.
type row struct {
	name  string
	cases []string // in the order in which they are measured
	limit float64  // 0: none
	unit  string   // what the figure is a multiple of
	of    func(s sample) float64
}

func ratio(of, to string) func(sample) float64 {
	return func(s sample) float64 { return s[of] / s[to] }
}

func added(of, without, to string) func(sample) float64 {
	return func(s sample) float64 { return (s[of] - s[without]) / s[to] }
}

const floorUnit = "× floor"

// rows are the lines of the table, in order.
var rows = []row{
	{"`apply -force` of hello, template warm", []string{"floor", "hello"}, 0.30, floorUnit, ratio("hello", "floor")},
	{"the same on Debian with git and gcc: `bash -c 'git --version'`", []string{"floor", "git"}, 0.40, floorUnit, ratio("git", "floor")},
	{"hello, template lost", []string{"floor", "lost"}, 1.8, floorUnit, ratio("lost", "floor")},
	{"added by a source of 10,000 files, 40 MB, unchanged", []string{"floor", "hello", "many"}, 0.15, floorUnit, added("many", "hello", "floor")},
	{"added by it when one file changed", []string{"floor", "hello", "edited"}, 0.25, floorUnit, added("edited", "hello", "floor")},
	{"`apply` of 100 stages, all reusable", []string{"floor", "reuse"}, 0.15, floorUnit, ratio("reuse", "floor")},
	{"8 stages that sleep 2 s, `-parallelism=8`", []string{"sleep1", "sleep8"}, 1.6, "× one of them", ratio("sleep8", "sleep1")},
	{"256 MiB of artifacts out, added", []string{"kept", "out"}, 1.5, "× `dd` in the guest", func(s sample) float64 { return (s["out"] - s["kept"] + s["dd"]) / s["dd"] }},
	{"private memory of an idle machine, 8 at once", []string{"idle"}, 70, "MiB", func(s sample) float64 { return s["idle"] }},
	{"the floor with the kernel as its package has it", []string{"floor", "packed"}, 0, floorUnit, ratio("packed", "floor")},
	{"Ambient, the Rust program, the same script", []string{"floor", "rust"}, 0, floorUnit, ratio("rust", "floor")},
	{"virtme-ng, the same script", []string{"floor", "vng"}, 0, floorUnit, ratio("vng", "floor")},
}

// line is a row with what was measured.
type line struct {
	row
	figure float64
	runs   int
	why    string // nothing was measured
}

type table struct {
	lines []line
	floor float64 // seconds; 0: not measured
	about string  // the machine
}

// fill works the figures out of the samples; failed says why a case has none.
func fill(chosen []row, samples []sample, failed map[string]string, about string) table {
	t := table{about: about}
	var floors []float64
	for _, s := range samples {
		if f := s["floor"]; f > 0 {
			floors = append(floors, f)
		}
	}
	t.floor = median(floors)
	for _, r := range chosen {
		t.lines = append(t.lines, fillRow(r, samples, failed))
	}
	return t
}

func fillRow(r row, samples []sample, failed map[string]string) line {
	l := line{row: r}
	for _, name := range r.cases {
		if l.why = failed[name]; l.why != "" {
			return l
		}
	}
	var all []float64
	for _, s := range samples {
		if slices.ContainsFunc(r.cases, func(name string) bool { return s[name] == 0 }) {
			continue
		}
		all = append(all, r.of(s))
	}
	l.figure, l.runs = median(all), len(all)
	return l
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}

// missed names the rows that are over their limit or failed.
func (t table) missed() (names []string) {
	for _, l := range t.lines {
		if l.limit > 0 && (l.why != "" || l.figure > l.limit) {
			names = append(names, strings.ReplaceAll(l.name, "`", ""))
		}
	}
	return names
}

// text is the table as Markdown.
func (t table) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", t.about)
	if t.floor > 0 {
		fmt.Fprintf(&b, "The floor took %.2f s.\n\n", t.floor)
	}
	b.WriteString("| case | must be | is | runs |\n|---|---|---|---|\n")
	for _, l := range t.lines {
		must, is, runs := "–", fmt.Sprintf("%.2f %s", l.figure, l.unit), fmt.Sprint(l.runs)
		if l.limit > 0 {
			must = fmt.Sprintf("≤ %.4g %s", l.limit, l.unit)
		}
		if l.why != "" {
			is, runs = l.why, "0"
		}
		if l.limit > 0 && l.why == "" && l.figure > l.limit {
			is = "**" + is + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", l.name, must, is, runs)
	}
	return b.String()
}
