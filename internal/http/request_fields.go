package http

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// field is a field that a body may have. read stores its value. The errors that read
// returns name the part below the field (".region"), or nothing if they are about the
// whole field.
type field struct {
	name     string
	required bool
	read     func(raw json.RawMessage) []fieldError
}

// must makes the field required.
func (f field) must() field { f.required = true; return f }

// optional returns a field that leaves *into nil if the body lacks the field, so that a
// change can distinguish a missing field from an empty one.
func optional[T any](into **T, of func(*T) field) field {
	var value T
	f := of(&value)
	read := f.read
	f.read = func(raw json.RawMessage) []fieldError {
		*into = &value
		return read(raw)
	}
	return f
}

// clearable returns a field that also accepts null, for which it stores the value none.
func clearable[T any](into *T, none T, of func(*T) field) field {
	f := of(into)
	read := f.read
	f.read = func(raw json.RawMessage) []fieldError {
		if string(raw) == "null" {
			*into = none
			return nil
		}
		return read(raw)
	}
	return f
}

// decodeBody reads the body of a request into the fields, and rejects any other field.
func decodeBody(c echo.Context, required bool, fields ...field) error {
	o, err := readObject(c, required)
	if err != nil {
		return err
	}
	return o.decode(fields...)
}

// decode reads the fields, and returns everything that is wrong as one error.
func (o object) decode(fields ...field) error {
	bad := o.faults(fields...)
	if len(bad) == 0 {
		return nil
	}
	slices.SortStableFunc(bad, func(a, b fieldError) int { return compareNames(a.Field, b.Field) })
	return invalidFields(codeInvalidField, bad)
}

// compareNames orders the names of fields part by part; dots separate the parts. Numbers,
// such as the indexes of an array, are ordered by value, and come before other parts.
func compareNames(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		m, notFirst := strconv.Atoi(a)
		n, notSecond := strconv.Atoi(b)
		switch {
		case notFirst == nil && notSecond != nil:
			return -1
		case notFirst != nil && notSecond == nil:
			return 1
		}
		return cmp.Or(cmp.Compare(m, n), strings.Compare(a, b)) // without numbers, m and n are 0
	})
}

// faults reads the fields, and returns everything that is wrong.
func (o object) faults(fields ...field) []fieldError {
	bad := o.unknown(fields)
	for _, f := range fields {
		raw, given := o[f.name]
		switch {
		case given:
			for _, err := range f.read(raw) {
				err.Field = f.name + err.Field
				bad = append(bad, err)
			}
		case f.required:
			bad = append(bad, fieldError{Field: f.name, Code: fieldRequired, Detail: "This field is required."})
		}
	}
	return bad
}

func (o object) unknown(fields []field) []fieldError {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	detail := "Unknown field. Allowed here: " + listOf(slices.Sorted(slices.Values(names))) + "."
	var bad []fieldError
	for name := range o {
		if !slices.Contains(names, name) {
			bad = append(bad, fieldError{Field: cut(name), Code: fieldUnknown, Detail: detail})
		}
	}
	return bad
}

// lineField is a field with a text of one line. valid checks and trims the text.
func lineField(name string, valid func(string) (string, error), into *string) field {
	return textField(name, func(value string) *fieldError {
		var err error
		*into, err = valid(value)
		return textFault(err)
	})
}

// positiveField is a field whose value is a whole number of at least 1. outOfRange is the
// detail of the error about other numbers.
func positiveField(name, outOfRange string, into *int64) field {
	return field{name: name, read: func(raw json.RawMessage) []fieldError {
		var n *int64 // null leaves it nil
		err := json.Unmarshal(raw, &n)
		switch {
		case err != nil || n == nil:
			return []fieldError{{Code: fieldWrongType, Detail: "Must be a 64-bit integer, without a fraction or an exponent."}}
		case *n < 1:
			return []fieldError{{Code: fieldOutOfRange, Detail: outOfRange}}
		}
		*into = *n
		return nil
	}}
}

// textField is a field whose value is a string, and not null.
func textField(name string, read func(value string) *fieldError) field {
	return field{name: name, read: func(raw json.RawMessage) []fieldError {
		value, err := readText(raw)
		if err == nil {
			err = read(value)
		}
		if err != nil {
			return []fieldError{*err}
		}
		return nil
	}}
}

func readText(raw json.RawMessage) (string, *fieldError) {
	var value *string // null leaves it nil
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return "", &fieldError{Code: fieldWrongType, Detail: "Must be a string."}
	}
	return *value, nil
}
