package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	cursorName  = "cursor"
	cursorMagic = "CSCURSR1"
	cursorSize  = 28
)

// A cursor keeps a position in a file. Without a file it keeps nothing, and records come again after a restart.
type cursor struct {
	file   File
	dirty  bool
	failed error // of the last write
}

var errNoCursor = errors.New("there is no cursor file")

func encodeCursor(id ID) []byte {
	b := append(make([]byte, 0, cursorSize), cursorMagic...)
	b = binary.LittleEndian.AppendUint64(b, id.Segment)
	b = binary.LittleEndian.AppendUint64(b, uint64(id.Offset))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeCursor(b []byte) (ID, bool) {
	if len(b) != cursorSize || !strings.HasPrefix(string(b), cursorMagic) ||
		binary.LittleEndian.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli) {
		return ID{}, false
	}
	id := ID{binary.LittleEndian.Uint64(b[8:]), int64(binary.LittleEndian.Uint64(b[16:]))}
	return id, id.Offset >= 0 && id.Segment < maxNumber
}

// readCursor returns the position in dir's cursor file, or the zero ID, before all records, and why.
func readCursor(fsys FS, dir string) (ID, error) {
	file, err := fsys.OpenFile(filepath.Join(dir, cursorName), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return ID{}, nil
	} else if err != nil {
		return ID{}, err
	}
	defer file.Close()
	b := make([]byte, cursorSize)
	switch n, err := file.ReadAt(b, 0); {
	case n == cursorSize:
	case n == 0 && errors.Is(err, io.EOF):
		return ID{}, nil // made and never written
	case err != nil && !errors.Is(err, io.EOF):
		return ID{}, err
	}
	id, ok := decodeCursor(b)
	if !ok {
		return ID{}, errors.New("not a cursor")
	}
	return id, nil
}

func (c *cursor) set(id ID) error {
	if c.file == nil {
		return nil
	}
	c.dirty = true
	if _, err := c.file.WriteAt(encodeCursor(id), 0); err != nil {
		c.failed = err
		return err
	}
	c.failed = nil
	return nil
}

func (c *cursor) sync() error {
	switch {
	case c.file == nil:
		return errNoCursor
	case c.failed != nil:
		return c.failed
	case !c.dirty:
		return nil
	}
	err := c.file.Sync()
	c.dirty = err != nil
	return err
}

func (c *cursor) close() error {
	if c.file == nil {
		return nil
	}
	err := errors.Join(c.sync(), c.file.Close())
	c.file = nil
	return err
}
