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
//	parts    window start ^ 1<<63 (8), commit (8)     seal, Part.Data
//	lines    time in µs (8)                    seal, points (4), Commit.Lines
//	letters  time in µs (8)                    seal, letters (4), Commit.Letters
//
//	seal: CRC32C (4) of the bucket's name, the key, and the value behind the seal
//
// bbolt checks only its two meta pages; the seals find damaged values, the numbers in head find
// missing ones, and a walk over all pages when the file is opened finds what would make bbolt read
// for ever or write over what is in use. A damaged file is moved aside as worker.db.damaged-<time>,
// and what is intact in it goes into a fresh one.
//
// A batch's key is the time of its commit, raised if needed above all earlier ones, so that no key
// is used twice. A commit that failed is repeated under the same keys, since it may be there.
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
