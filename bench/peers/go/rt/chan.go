package main

import "sync"

const (
	roundTrips = 1000000
	elements   = 5000000
	selects    = 1000000
	room       = 128
	cases      = 3
)

// There and back over two channels without a buffer.
func chanUnbuffered() int {
	there, back := make(chan int), make(chan int)
	go func() {
		for value := range there {
			back <- value
		}
		close(back)
	}()
	for i := 0; i < roundTrips; i++ {
		there <- i
		if <-back != i {
			panic("channel")
		}
	}
	close(there)
	<-back // until the echo has ended
	return roundTrips
}

// One sends, one receives, with room for 128 in between.
func chanBuffered() int {
	ch := make(chan int, room)
	go func() {
		for i := 0; i < elements; i++ {
			ch <- i
		}
		close(ch)
	}()
	sum := 0
	for value := range ch {
		sum += value
	}
	if sum != elements*(elements-1)/2 {
		panic("channel")
	}
	return elements
}

func selectFrom(room int) int {
	const each = selects / cases
	var ch [cases]chan int
	var left sync.WaitGroup
	left.Add(cases)
	for i := range ch {
		ch[i] = make(chan int, room)
		go func(ch chan int) {
			for i := 0; i < each; i++ {
				ch <- i
			}
			left.Done()
		}(ch[i])
	}
	sum := 0
	for count := 0; count < each*cases; count++ {
		select {
		case value := <-ch[0]:
			sum += value
		case value := <-ch[1]:
			sum += value
		case value := <-ch[2]:
			sum += value
		}
	}
	left.Wait()
	if sum != cases*(each*(each-1)/2) {
		panic("select")
	}
	return each * cases
}

// Three send, each on a channel of its own; one selects over the three.
func select3() int {
	return selectFrom(0)
}

func select3Buffered() int {
	return selectFrom(room)
}

var chanBenches = []bench{
	{"chan_unbuffered", chanUnbuffered},
	{"chan_buffered", chanBuffered},
	{"select3", select3},
	{"select3_buffered", select3Buffered},
}
