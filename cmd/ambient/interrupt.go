package main

import (
	"context"
	"os"
)

// interruptible makes signals, and a standard output that nobody reads any more,
// end what the command does in order, until stop is called.
func (a *app) interruptible(say func(string)) (ctx context.Context, kill <-chan struct{}, stop func()) {
	signals, unlisten := a.listen()
	ctx, kill, over := interrupts(a.ctx, signals, a.out.failed(), say)
	return ctx, kill, func() {
		over()
		unlisten()
	}
}

// interrupts turns signals into the two ways to end a run. The first signal, or
// a standard output that nobody reads any more, ends the context; the second
// signal closes kill. say tells the user. Call stop when the run is over.
func interrupts(parent context.Context, signals <-chan os.Signal, gone <-chan struct{}, say func(string)) (ctx context.Context, kill <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	second := make(chan struct{})
	over := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-over:
			return
		case <-signals:
			say("Interrupted: asking what runs to stop, saving what is whole. Interrupt again to kill it.")
		case <-gone:
		}
		cancel()
		select {
		case <-over:
		case <-signals:
			say("Interrupted again: killing what runs.")
			close(second)
		}
	}()
	return ctx, second, func() {
		close(over)
		<-done
		cancel()
	}
}
