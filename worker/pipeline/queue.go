package pipeline

import "sync"

// A queue hands values from one goroutine to another, in order, without ever making the first wait. What bounds it
// is said where it is used.
type queue[T any] struct {
	mu     sync.Mutex
	more   sync.Cond
	items  []T
	closed bool
}

func newQueue[T any]() *queue[T] {
	q := new(queue[T])
	q.more.L = &q.mu
	return q
}

func (q *queue[T]) put(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, item)
	q.more.Signal()
}

// close lets take return what is left, and then nothing.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}

// take waits until there is something and takes all of it; ok is false when the queue is closed and empty.
func (q *queue[T]) take() (items []T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.more.Wait()
	}
	items, q.items = q.items, nil
	return items, len(items) > 0
}

func (q *queue[T]) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
