package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// stages are the worker's parts as runStages needs them, in the order of the data.
type stages struct {
	receive     func(context.Context) error
	checkpoints func(context.Context)
	// received is called when receive has ended: it ends the queue that close works on.
	received func()
	close    func()
	store    func()
	// send goes on, once its context has ended, for as long as it wants.
	send    func(context.Context)
	aside   func(context.Context)
	serve   func(context.Context) error
	stopped func()
}

// runStages runs all parts until ctx ends or one fails, and stops them in the order of the data. HTTP is served
// until the last one has stopped.
func runStages(ctx context.Context, s stages) error {
	ctx, stopReceiving := context.WithCancel(ctx)
	defer stopReceiving()
	lasting := context.WithoutCancel(ctx)
	serving, stopServing := context.WithCancel(lasting)
	defer stopServing()
	sending, stopSending := context.WithCancel(lasting)
	defer stopSending()

	var serveErr error
	var front, back, checkpoints, serve sync.WaitGroup
	serve.Go(func() {
		serveErr = s.serve(serving)
		stopReceiving()
	})
	back.Go(func() { s.send(sending) })
	back.Go(func() { s.aside(sending) })
	front.Go(s.store)
	front.Go(s.close)
	checkpoints.Go(func() { s.checkpoints(ctx) })

	receiveErr := s.receive(ctx)
	stopReceiving()
	checkpoints.Wait()
	s.received()
	front.Wait()
	stopSending()
	back.Wait()
	s.stopped()
	stopServing()
	serve.Wait()
	return errors.Join(receiveErr, serveErr)
}

// within bounds what goes on after ctx has ended: the context it returns ends that much later.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(d, cancel)
		context.AfterFunc(late, func() { t.Stop() })
	})
	return late, func() { stop(); cancel() }
}
