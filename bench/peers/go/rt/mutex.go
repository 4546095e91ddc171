package main

import "sync"

const (
	sharers     = 8
	locks       = 2000000
	sharedEvery = 64
	fighters    = 2
)

var (
	shared      sync.Mutex
	sharedCount int
)

func lockOwn() {
	own := new(sync.Mutex)
	count := new(int)
	for i := 0; i < locks; i++ {
		if i%sharedEvery == 0 {
			shared.Lock()
			sharedCount++
			shared.Unlock()
		} else {
			own.Lock()
			*count++
			own.Unlock()
		}
	}
}

func lockShared() {
	for i := 0; i < locks; i++ {
		shared.Lock()
		sharedCount++
		shared.Unlock()
	}
}

func lockWith(fn func(), goroutines, sharedLocks int) int {
	var wg sync.WaitGroup
	sharedCount = 0
	wg.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func() {
			fn()
			wg.Done()
		}()
	}
	wg.Wait()
	if sharedCount != sharedLocks {
		panic("mutex")
	}
	return goroutines * locks
}

// Eight goroutines: each has a mutex of its own, and takes every 64th time the one they share.
func mutex() int {
	return lockWith(lockOwn, sharers, sharers*locks/sharedEvery)
}

// Two that do nothing but take the same one.
func mutexShared() int {
	return lockWith(lockShared, fighters, fighters*locks)
}

var mutexBenches = []bench{
	{"mutex", mutex},
	{"mutex_shared", mutexShared},
}
