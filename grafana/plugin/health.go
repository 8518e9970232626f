package main

import (
	"context"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/generator/message"
)

// CheckHealth connects with the settings, waits a few seconds for a message, and says what is
// wrong.
func (s *source) CheckHealth(
	ctx context.Context, _ *backend.CheckHealthRequest,
) (*backend.CheckHealthResult, error) {
	payload, err := s.redis.Probe(ctx)
	if err != nil {
		return unwell(err.Error()), nil
	}
	if _, err := message.Decode(payload); err != nil {
		reason := message.NotJSON
		if e, ok := errors.AsType[*message.Error](err); ok {
			reason = e.Reason
		}
		// Not the error's text, which quotes the message.
		return unwell(fmt.Sprintf("messages come from %s, but one cannot be read: %s. "+
			`Colorstream's are like {"color":"red","value":42}`, s.redis.Describe(), reason)), nil
	}
	return &backend.CheckHealthResult{
		Status: backend.HealthStatusOk, Message: "Messages come from " + s.redis.Describe(),
	}, nil
}

func unwell(text string) *backend.CheckHealthResult {
	first, size := utf8.DecodeRuneInString(text)
	return &backend.CheckHealthResult{
		Status:  backend.HealthStatusError,
		Message: string(unicode.ToUpper(first)) + text[size:],
	}
}
