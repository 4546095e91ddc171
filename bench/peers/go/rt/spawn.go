package main

import (
	"runtime"
	"sync"
)

const (
	spawns = 1000000
	ones   = 500000
	yields = 2000000
	fibOf  = 22
)

// Spawns a million, then waits for them.
func spawnJoin() int {
	var wg sync.WaitGroup
	wg.Add(spawns)
	for i := 0; i < spawns; i++ {
		go wg.Done()
	}
	wg.Wait()
	return spawns
}

// Spawns one and waits for it, time and again.
func spawnOne() int {
	for i := 0; i < ones; i++ {
		var wg sync.WaitGroup
		wg.Add(1)
		go wg.Done()
		wg.Wait()
	}
	return ones
}

// Two that yield, to each other where there is one processor.
func yield() int {
	var wg sync.WaitGroup
	wg.Add(2)
	for i := 0; i < 2; i++ {
		go func() {
			for i := 0; i < yields/2; i++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	return yields
}

// Each spawns ten until there are a million, which sum up their numbers.
func skynetNode(number, size int, ret *int, parent *sync.WaitGroup) {
	if size == 1 {
		*ret = number
	} else {
		var sums [10]int
		var wg sync.WaitGroup
		wg.Add(10)
		for i := range sums {
			go skynetNode(number+i*(size/10), size/10, &sums[i], &wg)
		}
		wg.Wait()
		sum := 0
		for _, s := range sums {
			sum += s
		}
		*ret = sum
	}
	parent.Done()
}

func skynet() int {
	var sum int
	var wg sync.WaitGroup
	wg.Add(1)
	go skynetNode(0, 1000000, &sum, &wg)
	wg.Wait()
	if sum != 499999500000 {
		panic("skynet")
	}
	return 1111111
}

func fibNode(n int, ret *int, parent *sync.WaitGroup) {
	a, b := n, 0
	if n >= 2 {
		var wg sync.WaitGroup
		wg.Add(2)
		go fibNode(n-1, &a, &wg)
		go fibNode(n-2, &b, &wg)
		wg.Wait()
	}
	*ret = a + b
	parent.Done()
}

// Ten times, to be long enough to measure.
func fib22() int {
	const times, calls = 10, 57313 // the calls that fib(22) makes
	for i := 0; i < times; i++ {
		var result int
		var wg sync.WaitGroup
		wg.Add(1)
		go fibNode(fibOf, &result, &wg)
		wg.Wait()
		if result != 17711 {
			panic("fib")
		}
	}
	return times * calls
}

var spawnBenches = []bench{
	{"spawn_join", spawnJoin},
	{"spawn_one", spawnOne},
	{"yield", yield},
	{"skynet", skynet},
	{"fib22", fib22},
}
