package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// atTerm prints how many messages came when the process is asked to end.
func atTerm(received func() int64) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
	fmt.Println(received())
	os.Exit(0)
}

// consumeRaw subscribes by hand and throws away what comes: what the socket and the kernel cost. It
// cannot tell messages apart and reports -1.
func consumeRaw(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "SUBSCRIBE %s\r\n", channel); err != nil {
		return err
	}
	go atTerm(func() int64 { return -1 })
	for buffer := make([]byte, 512<<10); ; {
		if _, err := conn.Read(buffer); err != nil {
			return err
		}
	}
}

// consumeGoRedis is a bare go-redis Receive loop, with the library's defaults.
func consumeGoRedis(address string) error {
	ctx := context.Background()
	sub := redis.NewClient(&redis.Options{Addr: address}).Subscribe(ctx, channel)
	var received atomic.Int64
	go atTerm(received.Load)
	for {
		m, err := sub.Receive(ctx)
		if err != nil {
			return err
		}
		if _, ok := m.(*redis.Message); ok {
			received.Add(1)
		}
	}
}
