// Package source makes the messages that the generator publishes: random ones, or those of the user's own file or
// standard input, as CSV with a header or as JSON lines.
//
// A line that cannot become a message that the worker would accept is refused with its number and a reason, and
// reading goes on; an input that cannot be read ends with an error. The package knows neither Redis nor pace.
package source

import (
	"fmt"

	"colorstream/generator/message"
)

// A Record is a message and where it stood.
type Record struct {
	message.Message
	// Line is the number of its (first) line, 1 for the first of the file; 0 for a random message.
	Line int
	// Offset is how many bytes of the input have been used up with this record.
	Offset int64
}

// Refused says why a line is no message. It does not end the input.
type Refused struct {
	Line   int
	Reason message.Reason
	Detail string
	Offset int64
}

func (r *Refused) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.Detail) }

// Reasons besides those of package message.
const (
	// Columns: a CSV line has more or fewer cells than the header.
	Columns message.Reason = "columns"
	// Quotes: a quotation mark stands where CSV has none.
	Quotes message.Reason = "quotes"
	// TooLong: a line is longer than MaxLine.
	TooLong message.Reason = "too_long"
)
