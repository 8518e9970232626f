// Package spool is a durable queue of byte records in a folder: what [Spool.Append] has accepted is given to the
// reader until the reader says [Spool.Done], whatever happens to the process or the machine in between.
//
// The worker puts every closed window in it (a record is the window's line protocol) and takes it out again when
// InfluxDB has it, in normal running as after an outage or a crash: there is no other path.
//
// # Promises
//
//   - Append returns nil only after the record was fsynced.
//   - Records come out in the order they went in, each until it is done.
//   - After a crash, what comes again is an unbroken run of the newest records, in order: from the last position
//     that reached the disk to the end. A record may so be delivered twice, or, if its Append had failed, without
//     ever having been accepted. The reader's work must bear repetition; points in InfluxDB do, since a later
//     write of a point replaces it and the last write always comes last.
//   - It always opens, whatever is in the folder, unless another process holds the folder or it cannot be written.
//   - No damage stops it: a damaged record is skipped, counted and logged, and its file is kept aside.
//   - Its files stay below Config.MaxBytes plus one record. Beyond, the oldest records are dropped, counted, logged
//     (a dropped segment that is just being read takes space until the reader moves on).
//   - Memory does not depend on the backlog: one record, a buffer of 64 KiB, and some bytes for each segment and
//     for each record that was delivered and is not done.
//
// It does not encrypt, compress, or look into records, and it trusts the operating system's fsync to be true.
//
// # Files
//
// All names are in one folder. Files with other names are left alone.
//
//	lock                     held by flock(2) while a Spool is open; empty
//	cursor                   how far the reader is done
//	0000000000000007.open    a segment that is being written, or was when its process ended
//	0000000000000006.sealed  a complete segment
//	0000000000000003.damaged a segment, done with, in which something could not be read; kept for a human to see
//
// Numbers have 16 decimal digits, grow, and are never used twice as long as the cursor file is kept. A segment is
// removed when all its records are done. To send records of a segment once more, copy it under a number above all
// others, ending in .sealed, while no worker runs.
//
// # Segment
//
// Integers are little endian; CRC32C is the checksum with Castagnoli's polynomial.
//
//	offset  size  content
//	0       8     "CSSPOOL1"
//	8             records, one after another, each:
//
//	0       4     F5 'R' 'E' 'C'    F5 is in no UTF-8 text, so not in line protocol
//	4       4     n, the length of the data, 1 to 67108864
//	8       8     when it was appended, ns since 1970 UTC
//	16      4     CRC32C of the data
//	20      4     CRC32C of bytes 0 to 19 and of the record's offset in the file, as 8 bytes
//	24      n     the data
//
// The checksum of a record's header covers its place, so that bytes that look like a record inside another one's
// data are not taken for one. A header that is right tells where the next record is even if the data is damaged; if
// the header is damaged, the next header that is right is searched for.
//
// A record of "a" appended at 1970-01-01T00:00:01Z to an empty segment makes this file:
//
//	43 53 53 50 4f 4f 4c 31
//	f5 52 45 43 01 00 00 00 00 ca 9a 3b 00 00 00 00 30 43 d0 c1 f0 cc f5 cd 61
//
// # Cursor
//
//	offset  size  content
//	0       8     "CSCURSR1"
//	8       8     number of the segment
//	16      8     offset in it: all before is done
//	24      4     CRC32C of bytes 0 to 23
//
// It is written in place at each Done but fsynced only before a segment is removed: a process may be killed at any
// time and repeats nothing that it had done, after a power failure at most the records of one segment come again.
// A cursor that cannot be read counts as none: all records come again.
//
// # Failures
//
// A failed append is cut off the segment; if that fails too, or fsync failed (after which a kernel may have thrown
// the data away and say so only once), the segment gets no more appends and the next one goes to a new segment.
//
// At start, a torn record at the end of an .open segment is cut off: one whose header is incomplete, whose data ends
// early, or that is all zeros. Anything else that cannot be read counts as damage.
package spool
