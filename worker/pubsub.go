package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/service"
	"colorstream/worker/source"
	"colorstream/worker/store"
	"colorstream/worker/window"
)

// newPubSub makes the worker of Pub/Sub: Redis keeps nothing, so a local file keeps the windows'
// values, too.
func newPubSub(
	ctx context.Context, log *slog.Logger, cfg config, options *redis.Options, m *metrics, to senders,
	state source.State,
) (w *worker, messages *source.PubSub, file *store.Bolt, err error) {
	if file, err = store.NewBolt(log, cfg.DataDir, cfg.MaxBytes); err != nil {
		if errors.Is(err, store.ErrLocked) {
			err = service.Invalid("WORKER_DATA_DIR", cfg.DataDir, "is used by another worker")
		}
		return nil, nil, nil, err
	}
	saved, err := file.Load(ctx)
	if err != nil {
		return nil, nil, nil, errors.Join(err, file.Close())
	}
	set := restore(log, cfg.windows(), saved)
	messages = source.NewPubSub(log, options, cfg.channels(), cfg.Window, max(set.Now(), 0), state)
	w = newWorker(log, messages, set, source.Position{}, file, m, to, false)
	return w, messages, file, nil
}

// restore makes the windows as they were at the last commit. Damage costs what is damaged.
func restore(log *slog.Logger, cfg window.Config, saved store.Saved) *window.Set {
	set, _, err := resume(log, cfg, saved, func(set *window.Set, _ source.Position) error {
		for _, p := range saved.Parts {
			if err := set.RestorePart(p.Window, p.Data); err != nil {
				log.Error("an open window cannot be restored whole", "window", p.Window, "error", err)
			}
		}
		return nil
	})
	if err != nil {
		log.Error("the worker begins anew", "error", err)
		return window.NewSet(cfg)
	}
	return set
}
