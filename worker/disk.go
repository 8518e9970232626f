package main

import "syscall"

// watchDisk shows how much room the spool's disk has, and how much the spool may take. What cannot be asked is left
// out.
func (m *metrics) watchDisk(cfg config) {
	m.gauge("spool_max_bytes", "The most that the spool's files may take, WORKER_SPOOL_MAX_BYTES.", func() float64 {
		return float64(cfg.SpoolMaxBytes)
	})
	free, size := diskSpace(cfg.SpoolDir)
	if size == 0 {
		return
	}
	m.gauge("spool_disk_bytes", "Size of the file system that the spool is on.", func() float64 {
		_, size = diskSpace(cfg.SpoolDir)
		return float64(size)
	})
	m.gauge("spool_disk_free_bytes", "What is free of it for the worker.", func() float64 {
		if now, size := diskSpace(cfg.SpoolDir); size > 0 {
			free = now
		}
		return float64(free)
	})
}

// diskSpace is the free and the whole space of a folder's file system, 0 and 0 if it cannot be asked.
func diskSpace(dir string) (free, size uint64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0
	}
	block := uint64(s.Bsize) //nolint:unconvert // its type differs from system to system
	return s.Bavail * block, s.Blocks * block
}
