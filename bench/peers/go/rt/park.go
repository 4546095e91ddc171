package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	parked   = 1000000
	sleepers = 1000000
	unrunN   = 50000
)

// A million that sleep a second; printed again without that second.
func sleepersMillion() int {
	var wg sync.WaitGroup
	before := time.Now()
	wg.Add(sleepers)
	for i := 0; i < sleepers; i++ {
		go func() {
			time.Sleep(time.Second)
			wg.Done()
		}()
	}
	wg.Wait()
	ns := time.Since(before)
	print("sleepers_million", float64(ns)/sleepers)
	print("sleepers_million_overhead", float64(ns-time.Second)/sleepers)
	return 0
}

// A million that wait for a channel.
func parkedMillion() int {
	var arrived, left sync.WaitGroup
	opens := make(chan struct{})
	before := memory()
	arrived.Add(parked)
	left.Add(parked)
	for i := 0; i < parked; i++ {
		go func() {
			arrived.Done()
			<-opens
			left.Done()
		}()
	}
	arrived.Wait()
	print("parked_million_bytes", float64(memory()-before)/parked)
	close(opens)
	left.Wait()
	return 0
}

// Fifty thousand on one processor, which their spawner keeps meanwhile.
func unrun() int {
	var left sync.WaitGroup
	var started int32
	runtime.GOMAXPROCS(1)
	time.Sleep(time.Millisecond)
	before := memory()
	left.Add(unrunN)
	for i := 0; i < unrunN; i++ {
		go func() {
			atomic.AddInt32(&started, 1)
			left.Done()
		}()
	}
	waiting := unrunN - int(atomic.LoadInt32(&started))
	print("unrun_bytes", float64(memory()-before)/float64(waiting))
	left.Wait()
	return 0
}

var parkBenches = []bench{
	{"sleepers_million", sleepersMillion},
	{"parked_million", parkedMillion},
	{"unrun", unrun},
}
