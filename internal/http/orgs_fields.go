package http

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
)

// nameField reads the name of an organization and trims the white space around it.
func nameField(into *string) field { return lineField("orgName", orgs.ValidName, into) }

// externalIDField reads the client's own id of an organization.
func externalIDField(into *string) field {
	return textField("externalId", func(value string) *fieldError {
		*into = value
		return textFault(orgs.ValidExternalID(value))
	})
}

// clearableExternalIDField also accepts null, which removes the external id.
func clearableExternalIDField(into *string) field { return clearable(into, "", externalIDField) }

// sameExternalIDField accepts only the external id in the path.
func sameExternalIDField(path string) field {
	return textField("externalId", func(value string) *fieldError {
		if value != path {
			return &fieldError{Code: fieldInvalid, Detail: "Must equal the externalId in the path. You can also leave this field out."}
		}
		return nil
	})
}

// revisionField reads the revision that the organization must have for the change.
func revisionField(into *int64) field { return positiveField("revision", revisionRange, into) }

const revisionRange = "Must be the organization's revision as you last read it, a whole number of at least 1."

// metadataField reads the whole metadata of an organization. It never stores nil.
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

// clearableMetadataField also accepts null, which removes all metadata.
func clearableMetadataField(into *map[string]string) field {
	return clearable(into, map[string]string{}, metadataField)
}

// readMetadataPatch reads a body that is a merge patch (RFC 7396) of the metadata. It
// does not check the number of pairs, which also depends on the organization's metadata.
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

// tooManyPairsError converts orgs.ErrTooManyPairs to an error of the field metadata. It
// returns other errors unchanged.
func tooManyPairsError(err error) error {
	if !errors.Is(err, orgs.ErrTooManyPairs) {
		return err
	}
	return invalidFields(codeInvalidField, []fieldError{tooManyPairs("metadata")}).withCause(err)
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
	return pairFault("The key", orgs.ValidMetadataKey(key))
}

func checkMetadataValue(value string) *fieldError {
	return pairFault("The value", orgs.ValidMetadataValue(value))
}

// pairFault is textFault for one part of a pair. The detail begins with the part.
func pairFault(part string, reason error) *fieldError {
	if reason == nil {
		return nil
	}
	return &fieldError{Code: textCode(reason), Detail: part + " " + reason.Error() + "."}
}
