package pipeline

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"colorstream/generator/message"
	"colorstream/worker/checkpoint"
)

// Shown is told the counts before anybody else sees them. Whoever adds up counters takes one that became smaller for
// one that began at zero, so that they must not fall behind what was shown when the worker is killed. A process that
// dies leaves what it has written to a file; that the machine dies is rare enough to go without an fsync.
func (s *Store) Shown(counts Counts) error {
	content, err := checkpoint.Encode(counts)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, shownFile)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return fmt.Errorf("save the counts: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("save the counts: %w", err)
	}
	return nil
}

// recoverShown makes of the counts that were saved with windows those to go on from. Messages that were shown as
// counted, and are in no window that was saved, are lost, and counted as such.
func (s *Store) recoverShown(saved Counts) Counts {
	var shown Counts
	if found, err := checkpoint.Read(s.dir, shownFile, &shown); err != nil {
		s.log.Warn("the counts of before the restart are unreadable: they go on from the windows that were saved", "error", err)
		return saved
	} else if !found {
		return saved
	}
	next := Counts{
		Received: max(saved.Received, shown.Received), Counted: max(saved.Counted, shown.Counted), Again: max(saved.Again, shown.Again),
		Closed: max(saved.Closed, shown.Closed), Incomplete: max(saved.Incomplete, shown.Incomplete),
		Refused: make(map[message.Reason]uint64), Newest: saved.Newest,
	}
	maps.Copy(next.Refused, saved.Refused)
	for reason, n := range shown.Refused {
		next.Refused[reason] = max(next.Refused[reason], n)
	}
	next.Forgotten = next.Counted - (saved.Counted - saved.Forgotten) // all but those in windows that were saved
	if known := max(saved.Forgotten, shown.Forgotten); next.Forgotten > known {
		s.log.Warn("messages went down with the run before, which was killed before it had saved them", "messages", next.Forgotten-known)
	}
	return next
}
