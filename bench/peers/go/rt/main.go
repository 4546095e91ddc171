// The Go twins of bench/rt: the same algorithms with the same counts, as a Go programmer writes
// them. usage: rt [NAME...]; prints name<TAB>ns_per_op; GOMAXPROCS sets the processors.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A bench returns how many operations it did; 0 when it has printed its figures itself.
type bench struct {
	name string
	run  func() int
}

var families = [][]bench{spawnBenches, chanBenches, mutexBenches, parkBenches, wakeBenches}

func print(name string, value float64) {
	fmt.Printf("%s\t%.1f\n", name, value)
}

// Bytes of memory that the process holds now: resident pages and page tables.
func memory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	var sum int64
	for _, line := range strings.Split(string(text), "\n") {
		for _, field := range []string{"VmRSS:", "VmPTE:"} {
			if strings.HasPrefix(line, field) {
				var kb int64
				fmt.Sscan(line[len(field):], &kb)
				sum += 1024 * kb
			}
		}
	}
	return sum
}

func isWanted(name string) bool {
	for _, arg := range os.Args[1:] {
		if arg == name {
			return true
		}
	}
	return len(os.Args) == 1
}

func main() {
	for _, family := range families {
		for _, b := range family {
			if !isWanted(b.name) {
				continue
			}
			before := time.Now()
			operations := b.run()
			ns := time.Since(before)
			if operations > 0 {
				print(b.name, float64(ns)/float64(operations))
			}
		}
	}
}
