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
	"errors"
	"fmt"

	"colorstream/generator/message"
)

// A Record is a message and its place in the input.
type Record struct {
	message.Message
	// Line is the number of the record's first line, 1 for the first of the file; 0 for a random
	// message.
	Line int
	// Offset is the number of bytes of the input that have been used up with this record.
	Offset int64
}

// Rejected says why a row is no message. It does not end the input.
type Rejected struct {
	Line   int
	Reason message.Reason
	Detail string
	Offset int64 // as that of a Record
}

func (r *Rejected) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.Detail) }

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
	texts  [4]string // in the order of the constants below
	line   int
	offset int64
}

// The fields of a message.
const (
	colorField = iota
	nameField
	valueField
	timeField
)

// rows is a format: CSV or JSON. The error of next is as that of Input.Next.
type rows interface{ next() (row, error) }

// wrong says why a row is no message.
func wrong(reason message.Reason, format string, args ...any) error {
	return &message.Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// reject makes a Rejected of an error of package message; every other remains what it is.
func reject(line int, err error) error {
	if e, ok := errors.AsType[*message.Error](err); ok {
		return &Rejected{Line: line, Reason: e.Reason, Detail: e.Detail}
	}
	return err
}

// isFinal reports whether an error of Next, or of rows.next, ends the input.
func isFinal(err error) bool {
	_, rejected := errors.AsType[*Rejected](err)
	return err != nil && !rejected
}
