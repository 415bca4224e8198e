package http

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"orgd/internal/events"
	"orgd/internal/webhooks"
)

// urlField reads the URL of an endpoint.
func (s *Server) urlField(into *string) field {
	return textField("url", func(value string) *fieldError {
		*into = value
		err := s.cfg.Webhooks.CheckURL(value)
		if err == nil {
			return nil
		}
		code := fieldInvalid
		if errors.Is(err, webhooks.ErrURLLong) {
			code = fieldTooLong
		}
		detail := err.Error()
		return &fieldError{Code: code, Detail: strings.ToUpper(detail[:1]) + detail[1:] + "."}
	})
}

func webhookDescriptionField(into *string) field {
	return lineField("description", webhooks.ValidDescription, into)
}

// typesField reads the types of events that an endpoint gets, and rejects duplicates.
func typesField(into *[]string) field {
	return field{name: "types", read: func(raw json.RawMessage) []fieldError {
		var values []*string // a null in the array becomes nil
		if err := json.Unmarshal(raw, &values); err != nil || values == nil {
			return []fieldError{{Code: fieldWrongType, Detail: "Must be an array of strings."}}
		}
		switch {
		case len(values) == 0:
			return []fieldError{{Code: fieldRequired, Detail: "Must contain at least one type. For all types, leave the field out when you create a webhook, or send null when you change one."}}
		case len(values) > webhooks.MaxTypes:
			return []fieldError{{Code: fieldTooMany, Detail: "Too many types. The limit is " + strconv.Itoa(webhooks.MaxTypes) + "."}}
		}
		*into = nil
		var bad []fieldError
		for i, value := range values {
			if err := addType(into, value); err != nil {
				err.Field = "." + strconv.Itoa(i)
				bad = append(bad, *err)
			}
		}
		return bad
	}}
}

func addType(into *[]string, value *string) *fieldError {
	switch {
	case value == nil:
		return &fieldError{Code: fieldWrongType, Detail: "Must be a string."}
	case !slices.Contains(events.Types, *value):
		return &fieldError{Code: fieldInvalid, Detail: "Unknown type. The types are " + listOf(events.Types) + "."}
	case slices.Contains(*into, *value):
		return &fieldError{Code: fieldRepeated, Detail: "Duplicate type. List each type once."}
	}
	*into = append(*into, *value)
	return nil
}

// clearableTypesField also accepts null, for all types.
func clearableTypesField(into *[]string) field { return clearable(into, []string{}, typesField) }

const positionAhead = "Must be the position of an event, or the last event's position plus 1."

// positionField reads the position of the next event that an endpoint gets.
func positionField(into *int64) field { return positiveField("fromPosition", positionAhead, into) }

// secondsField reads a duration in whole seconds.
func secondsField(name string, most time.Duration, into *time.Duration) field {
	return field{name: name, read: func(raw json.RawMessage) []fieldError {
		var seconds *float64 // null leaves it nil
		if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil {
			return []fieldError{{Code: fieldWrongType, Detail: "Must be a number."}}
		}
		if *seconds < 0 || *seconds > most.Seconds() || *seconds != float64(int64(*seconds)) {
			return []fieldError{{Code: fieldOutOfRange, Detail: "Must be a whole number from 0 to " + strconv.Itoa(int(most.Seconds())) + "."}}
		}
		*into = time.Duration(*seconds) * time.Second
		return nil
	}}
}
