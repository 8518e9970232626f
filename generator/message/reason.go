package message

import (
	"errors"
	"fmt"
)

// A Reason names why a message is rejected, in a form fit for a metric's label.
type Reason string

// The reasons of this package.
const (
	Empty          Reason = "empty"
	InvalidUTF8    Reason = "invalid_utf8"
	NotJSON        Reason = "not_json"
	NotObject      Reason = "not_object"
	TrailingData   Reason = "trailing_data"
	DuplicateField Reason = "duplicate_field"
	ColorMissing   Reason = "color_missing"
	ColorType      Reason = "color_type"
	ColorEmpty     Reason = "color_empty"
	ColorTooLong   Reason = "color_too_long"
	ColorControl   Reason = "color_control"
	ColorBackslash Reason = "color_backslash"
	ValueMissing   Reason = "value_missing"
	ValueType      Reason = "value_type"
	ValueRange     Reason = "value_range"
	NameType       Reason = "name_type"
	TimeInvalid    Reason = "ts_invalid"
	TimeRange      Reason = "ts_range"
	Past           Reason = "past"
)

// Reasons lists them all.
func Reasons() []Reason {
	return []Reason{
		Empty, InvalidUTF8, NotJSON, NotObject, TrailingData, DuplicateField, ColorMissing, ColorType,
		ColorEmpty, ColorTooLong, ColorControl, ColorBackslash, ValueMissing, ValueType, ValueRange,
		NameType, TimeInvalid, TimeRange, Past,
	}
}

// An Error tells why a message is rejected.
type Error struct {
	Reason Reason
	// Detail is the sentence for a person; it names the field and the value.
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// errorf shows at most 40 characters of what was sent.
func errorf(r Reason, format string, args ...any) *Error {
	return &Error{r, fmt.Sprintf(format, args...)}
}

func hasReason(err error, r Reason) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == r
}
