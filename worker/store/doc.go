// Package store keeps what a worker knows: the state of its windows, its position in the source,
// the lines of closed windows that InfluxDB has not acknowledged, and dead letters that Redis has
// not. One commit saves them together or not at all, so that start, crash, failover and a moved
// partition are one path: load, resume.
//
// There are two stores behind one contract, [Store]: [Bolt], one local file, for Pub/Sub, and
// [Redis], one hash beside a stream, for streams. The package does not know what the bytes that it
// keeps mean, except that letters end with line breaks, so that dropped ones can be counted.
// [Members] shares partitions between workers.
//
// # Bolt's file
//
// The file is worker.db, of go.etcd.io/bbolt. Numbers are big-endian.
//
//	bucket   key                               value
//	meta     "head"                            seal, then the numbers of type head, 8 bytes each
//	meta     "state"                           seal, Commit.State
//	parts    window start ^ 1<<63 (8), number (8)  seal, Part.Data
//	lines    number (8)                        seal, time in µs (8), Commit.Lines
//	letters  number (8)                        seal, time in µs (8), Commit.Letters
//	letters  number (8), "i"                   the same, what InfluxDB rejected of that and later lines
//
//	seal: CRC32C (4) of the bucket's name, the key, and the value behind the seal
//	number: one more for each commit; one that failed is repeated with its own, since it may be there
//
// bbolt checks only its two meta pages; the seals find damaged values, and the numbers in head find
// missing ones, when the file is opened and when a value is read. A damaged file is renamed as
// worker.db.damaged-<time>, and the batches that are intact in it go into a fresh one.
//
// # Redis' hash
//
// The hash <stream>:worker has these fields:
//
//	token                  of the owner: its name and a random text, new with each Acquire
//	owner                  its name
//	until                  when its lease ends, milliseconds of Redis' TIME; a hint, never for safety
//	position               Commit.Position
//	state                  Commit.State
//	lines:<position>       Commit.Lines, compressed by gzip
//	letters:<position>     Commit.Letters, compressed by gzip
//	letters:<position>i    what InfluxDB rejected of lines:<position> and later ones, by gzip
//
// A script writes with at most one command, because Redis can tear a transaction apart in its
// append-only file. A commit names the token and the position of the commit before it, so it can
// neither follow another owner's nor come late.
package store
