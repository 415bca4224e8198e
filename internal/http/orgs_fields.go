package http

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
)

// nameField is the name of an organization, without the white space around it.
func nameField(into *string) field { return lineField("orgName", orgs.ValidName, into) }

// externalIDField is the client's own id of an organization.
func externalIDField(into *string) field {
	return textField("externalId", func(value string) *fieldError {
		*into = value
		return textFault(orgs.ValidExternalID(value))
	})
}

// clearableExternalIDField accepts null for none.
func clearableExternalIDField(into *string) field { return clearable(into, "", externalIDField) }

// sameExternalIDField may repeat the external id of the path.
func sameExternalIDField(path string) field {
	return textField("externalId", func(value string) *fieldError {
		if value != path {
			return &fieldError{Code: fieldInvalid, Detail: "Must equal the externalId in the path. You can also leave this field out."}
		}
		return nil
	})
}

// revisionField is the revision that a change is for.
func revisionField(into *int64) field {
	return field{name: "revision", read: func(raw json.RawMessage) []fieldError {
		var n *int64 // null leaves it nil
		err := json.Unmarshal(raw, &n)
		switch {
		case err != nil || n == nil:
			return []fieldError{{Code: fieldWrongType, Detail: "Must be an integer."}}
		case *n < 1:
			return []fieldError{{Code: fieldOutOfRange, Detail: revisionRange}}
		}
		*into = *n
		return nil
	}}
}

const revisionRange = "Must be the organization's revision as you last read it, a whole number of at least 1."

// metadataField is the whole metadata of an organization. It is never nil after
// reading.
func metadataField(into *map[string]string) field {
	return field{name: "metadata", read: func(raw json.RawMessage) []fieldError {
		var pairs object
		if err := json.Unmarshal(raw, &pairs); err != nil || pairs == nil {
			return []fieldError{{Code: fieldWrongType, Detail: "Must be an object whose values are strings."}}
		}
		var bad []fieldError
		*into, bad = readMetadata(pairs)
		return bad
	}}
}

// clearableMetadataField accepts null for no metadata.
func clearableMetadataField(into *map[string]string) field {
	return clearable(into, map[string]string{}, metadataField)
}

// readMetadataPatch reads a body that is itself a merge patch (RFC 7396) of the metadata.
// Whether the result has too many pairs depends on the organization.
func readMetadataPatch(c echo.Context) (orgs.MetadataPatch, error) {
	pairs, err := readObject(c, true)
	if err != nil {
		return nil, err
	}
	var bad []fieldError
	patch := make(orgs.MetadataPatch, len(pairs))
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		value, err := readPatchedPair(key, pairs[key])
		if err != nil {
			err.Field = "metadata." + cut(key)
			bad = append(bad, *err)
		}
		patch[key] = value
	}
	if len(bad) > 0 {
		return nil, invalidFields(codeInvalidField, bad)
	}
	return patch, nil
}

func readPatchedPair(key string, raw json.RawMessage) (*string, *fieldError) {
	if string(raw) == "null" {
		return nil, checkMetadataKey(key)
	}
	value, err := readPair(key, raw)
	if err != nil && err.Code == fieldWrongType {
		err.Detail = "Must be a string, or null to remove the pair."
	}
	return &value, err
}

// tooManyPairsError returns the error of a patch of the metadata. If the result would have
// too many pairs, it names the field.
func tooManyPairsError(err error) error {
	if !errors.Is(err, orgs.ErrTooManyPairs) {
		return err
	}
	return invalidFields(codeInvalidField, []fieldError{tooManyPairs("metadata")}).because(err)
}

func tooManyPairs(field string) fieldError {
	return fieldError{Field: field, Code: fieldTooMany, Detail: "Must have at most 50 pairs."}
}

func readMetadata(pairs object) (map[string]string, []fieldError) {
	var bad []fieldError
	if len(pairs) > orgs.MaxMetadataPairs {
		bad = append(bad, tooManyPairs(""))
	}
	metadata := make(map[string]string, len(pairs))
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		value, err := readPair(key, pairs[key])
		if err != nil {
			err.Field = "." + cut(key)
			bad = append(bad, *err)
		}
		metadata[key] = value
	}
	return metadata, bad
}

func readPair(key string, raw json.RawMessage) (string, *fieldError) {
	if err := checkMetadataKey(key); err != nil {
		return "", err
	}
	value, err := readText(raw)
	if err != nil {
		return "", err
	}
	return value, checkMetadataValue(value)
}

func checkMetadataKey(key string) *fieldError {
	if key == "" { // a key of only white space is valid
		return &fieldError{Code: fieldInvalid, Detail: "The key must not be empty."}
	}
	return pairFault("The key", orgs.ValidMetadataKey(key))
}

func checkMetadataValue(value string) *fieldError {
	return pairFault("The value", orgs.ValidMetadataValue(value))
}

// pairFault is textFault for one part of a pair, which its detail names.
func pairFault(part string, reason error) *fieldError {
	if reason == nil {
		return nil
	}
	return &fieldError{Code: textCode(reason), Detail: part + " " + reason.Error() + "."}
}
