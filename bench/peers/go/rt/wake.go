package main

import (
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	holders = 8
	naps    = 500
	blockNs = 50 * 1000 * 1000
)

// How late one that sleeps a millisecond at a time is, while others hold the CPUs.
func napBeside(hold func(isOver *int32), name string) int {
	var isOver int32
	var left sync.WaitGroup
	left.Add(holders)
	for i := 0; i < holders; i++ {
		go func() {
			hold(&isOver)
			left.Done()
		}()
	}
	late := make([]int, naps)
	for i := range late {
		before := time.Now()
		time.Sleep(time.Millisecond)
		late[i] = int(time.Since(before) - time.Millisecond)
	}
	atomic.StoreInt32(&isOver, 1)
	left.Wait()
	sort.Ints(late)
	print(name+"_p50", float64(late[naps/2]))
	print(name+"_p99", float64(late[naps*99/100]))
	print(name+"_max", float64(late[naps-1]))
	return 0
}

func wakeBurning() int {
	return napBeside(func(isOver *int32) {
		for atomic.LoadInt32(isOver) == 0 {
		}
	}, "wake_burning")
}

// A system call that blocks the thread, which time.Sleep would not.
func wakeBlocking() int {
	return napBeside(func(isOver *int32) {
		for atomic.LoadInt32(isOver) == 0 {
			nap := syscall.NsecToTimespec(blockNs)
			syscall.Nanosleep(&nap, nil)
		}
	}, "wake_blocking")
}

var wakeBenches = []bench{
	{"wake_burning", wakeBurning},
	{"wake_blocking", wakeBlocking},
}
