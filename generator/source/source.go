// Package source makes the messages that the generator publishes: random ones, or the rows of a
// file or of standard input. The import of a file into InfluxDB reads its rows here too.
//
// A file is CSV or JSON (an object a line, objects over several lines, or one array), plain or
// compressed with gzip or zstd. [Open] finds the format, the header and the columns, and tells from
// the first [SampleRows] rows how times and decimals are written; what can be read in two ways is
// an error that names the setting to use. [OpenOrdered] also sorts the rows by time.
//
// A row that makes no valid message is rejected with its line and a reason, and reading goes on; an
// input that cannot be read ends with an error. The package knows neither Redis nor pace.
package source

import (
	"fmt"

	"colorstream/generator/message"
)

// A Record is a row of the input, or a random message.
type Record struct {
	message.Message
	// Rejected says why the row is no message; nil if it is one.
	Rejected *message.Error
	// Line is the number of the record's first line, 1 for the first of the file; 0 for a random
	// message.
	Line int
	// Offset is the number of bytes of the input that have been used up with this record.
	Offset int64
}

// Problem says where and why the row is rejected.
func (r Record) Problem() string { return fmt.Sprintf("line %d: %s", r.Line, r.Rejected.Detail) }

// Reasons besides those of package message.
const (
	// Columns: a CSV row has more or fewer cells than the header.
	Columns message.Reason = "columns"
	// Quotes: text follows a closing quotation mark.
	Quotes message.Reason = "quotes"
	// TooLong: a line or an object is longer than MaxLine.
	TooLong message.Reason = "too_long"
	// NoTime: a row of history has no time.
	NoTime message.Reason = "ts_missing"
)

// A row is a record before its texts are understood. A text is empty if the row has none.
type row struct {
	texts    [4]string // in the order of the constants below
	line     int
	offset   int64
	rejected *message.Error
}

// The fields of a message.
const (
	colorField = iota
	nameField
	valueField
	timeField
)

// rows is a format: CSV or JSON. An error that is a *message.Error rejects the row, which has its
// line, all others end the input, io.EOF as it should.
type rows interface{ next() (row, error) }

// wrong says why a row is no message.
func wrong(reason message.Reason, format string, args ...any) error {
	return &message.Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
