package publish

import "context"

// pubsub publishes a batch with one PUBLISH.
type pubsub struct{ p *Publisher }

func (s *pubsub) prepare(context.Context) error { return nil }

func (s *pubsub) send(ctx context.Context, b *batch) error {
	receivers, err := s.p.client.Publish(ctx, b.key, b.payload).Result()
	n := uint64(b.n)
	switch {
	case err == nil:
		s.p.published.Add(n)
		if receivers == 0 {
			s.p.noSubscribers.Add(n)
		}
		s.p.received(receivers)
	case !answered(err) && !s.p.client.notSent():
		s.p.unacknowledged.Add(n)
		s.p.errors.Add(1)
	default:
		return err
	}
	b.empty()
	return nil
}
