package main

import (
	"context"
	"errors"
	"sync"
)

// stages are the worker's parts as runStages needs them, in the order of the data.
type stages struct {
	receive     func(context.Context) error
	checkpoints func(context.Context)
	// received is called when receive has ended: it ends the queue that close works on.
	received func()
	close    func()
	store    func()
	// send goes on for a while once its context has ended.
	send    func(context.Context) error
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

	var serveErr, sendErr error
	var front, back, checkpoints, serve sync.WaitGroup
	serve.Go(func() {
		serveErr = s.serve(serving)
		stopReceiving()
	})
	back.Go(func() {
		sendErr = s.send(sending)
		stopReceiving()
	})
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
	return errors.Join(receiveErr, sendErr, serveErr)
}
