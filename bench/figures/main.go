// Command figures measures how long stages take beside the fastest that a cold
// machine can be, and prints one table: see docs/performance.md.
//
// The floor is plain QEMU with the same kernel and a busybox that prints a line
// and powers off. All cases of a round run one after the other, so that what else
// the machine does is about the same for all; a figure is the median of the
// ratios of the rounds.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

type options struct {
	rounds  int
	home    string // state of the measured program, kept for its images
	program string
	write   string // a document whose table is replaced; empty: none
	only    *regexp.Regexp
	rust    string // directory with the programs of the Rust program Ambient
	vng     string
}

func main() {
	o, err := parse()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func parse() (o options, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return o, err
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return o, err
	}
	only := ""
	flag.IntVar(&o.rounds, "runs", 5, "rounds; a median needs at least 5")
	flag.StringVar(&o.home, "home", filepath.Join(cache, "ambient-bench"), "where the measured program keeps its images")
	flag.StringVar(&o.program, "program", "bin/ambient", "the program to measure")
	flag.StringVar(&o.write, "write", "", "a document to put the table into")
	flag.StringVar(&only, "only", "", "measure only the rows that match this expression")
	flag.StringVar(&o.rust, "rust", filepath.Join(user, ".cargo/bin"), "directory of `cargo install ambient-ci virtiofsd`")
	flag.StringVar(&o.vng, "vng", "vng", "the program vng of virtme-ng")
	flag.Parse()
	if o.rounds < 1 || flag.NArg() > 0 {
		return o, errors.New("want options only; see -help")
	}
	if o.program, err = filepath.Abs(o.program); err == nil {
		o.only, err = regexp.Compile(only)
	}
	return o, err
}

// run measures and shows the table. A case that fails is in the table with its
// reason, and the error of the whole.
func run(o options) error {
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	table, err := b.measure()
	if err != nil {
		return err
	}
	text := table.text()
	fmt.Print(text)
	if o.write != "" {
		if err := replace(o.write, text); err != nil {
			return err
		}
	}
	if missed := table.missed(); len(missed) > 0 {
		return errors.New("not reached: " + strings.Join(missed, "; "))
	}
	return nil
}
