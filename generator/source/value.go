package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"colorstream/generator/message"
)

// parseValue reads a number as people write it in tables: digits, a decimal point, an exponent.
func parseValue(text string) (float64, error) {
	if text == "" {
		return 0, &message.Error{Reason: message.ValueMissing, Detail: "there is no value"}
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case strings.Trim(text, "0123456789+-.eE") != "" || errors.Is(err, strconv.ErrSyntax): // no Inf, NaN, hex, 1_000
		detail := fmt.Sprintf("value %s is not a number", quote(text))
		if strings.Contains(text, ",") {
			detail += " (it must have a decimal point, and nothing between thousands)"
		}
		return 0, &message.Error{Reason: message.ValueType, Detail: detail}
	case err != nil:
		return 0, &message.Error{Reason: message.ValueRange, Detail: fmt.Sprintf("value %s does not fit a double", quote(text))}
	}
	return f, nil
}

// quote keeps an error short and on one line whatever stands in the input.
func quote(text string) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(strings.ToValidUTF8(text[:most], "")) + "…"
	}
	return strconv.Quote(text)
}

func refuse(line int, offset int64, err error) *Refused {
	if e, ok := errors.AsType[*message.Error](err); ok {
		return &Refused{line, e.Reason, e.Detail, offset}
	}
	return &Refused{line, message.NotJSON, err.Error(), offset}
}
