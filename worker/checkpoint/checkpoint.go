// Package checkpoint keeps what the worker must know after a restart, each thing in a file of its own.
//
// A file is written whole under another name, fsynced, renamed, and its folder fsynced: after a crash or a power
// failure it is the old one or the new one, never a part.
//
//	offset  bytes  content
//	0       8      "CSCKPT1\n"
//	8       8      length of the body, little-endian
//	16      4      CRC32C (Castagnoli) of the body, little-endian
//	20      …      body: one value as encoding/gob writes it
//
// A file that does not hold together is an error to the reader, who starts without it; it is not deleted.
package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	magic      = "CSCKPT1\n"
	headerSize = 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode makes a file's content of a value.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, headerSize))
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		return nil, fmt.Errorf("encode a checkpoint: %w", err)
	}
	content := b.Bytes()
	body := content[headerSize:]
	copy(content, magic)
	binary.LittleEndian.PutUint64(content[8:], uint64(len(body)))
	binary.LittleEndian.PutUint32(content[16:], crc32.Checksum(body, castagnoli))
	return content, nil
}

// decode reads a file's content into v, a pointer.
func decode(content []byte, v any) error {
	if len(content) < headerSize || string(content[:8]) != magic {
		return errors.New("not a checkpoint")
	}
	body := content[headerSize:]
	if uint64(len(body)) != binary.LittleEndian.Uint64(content[8:]) {
		return errors.New("cut short")
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(content[16:]) {
		return errors.New("damaged: the checksum differs")
	}
	if err := gob.NewDecoder(bytes.NewReader(body)).Decode(v); err != nil {
		return fmt.Errorf("of another version: %w", err)
	}
	return nil
}

// Write puts content, made by Encode, in the file called name in dir. When it returns nil the content is durable.
func Write(dir, name string, content []byte) (err error) {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Read fills v, a pointer, from the file called name in dir. found is false if there is no such file.
func Read(dir, name string, v any) (found bool, err error) {
	content, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read checkpoint: %w", err)
	}
	if err := decode(content, v); err != nil {
		return false, fmt.Errorf("read checkpoint %s: %w", filepath.Join(dir, name), err)
	}
	return true, nil
}
