package http

import (
	"encoding/json"
	"slices"
	"strconv"

	"orgd/internal/orgs"
)

func userIDField(into *string) field {
	return textField("userId", func(value string) *fieldError {
		*into = value
		return textFault(orgs.ValidUserID(value))
	})
}

// rolesField reads the list of a member's roles and rejects duplicates. It never stores
// nil.
func rolesField(into *[]string) field {
	return field{name: "roles", read: func(raw json.RawMessage) []fieldError {
		values, bad := readArray(raw, orgs.MaxRoles, "Must have at most 10 roles.")
		*into = []string{}
		for i, value := range values {
			role, err := readText(value)
			if err == nil {
				err = checkRole(role)
			}
			if err == nil && slices.Contains(*into, role) {
				err = &fieldError{Code: fieldRepeated, Detail: "Duplicate role. List each role once."}
			}
			if err != nil {
				err.Field = "." + strconv.Itoa(i)
				bad = append(bad, *err)
			}
			*into = append(*into, role)
		}
		return bad
	}}
}

func checkRole(role string) *fieldError {
	if orgs.ValidRole(role) != nil {
		return &fieldError{Code: fieldInvalid, Detail: "Must have 1 to 64 characters: letters A-Z and a-z, digits, colon, underscore, dot or hyphen."}
	}
	return nil
}

// additionsField reads the users to add or to update. It reports duplicates: users that
// into already contains, from this field or from removalsField.
func additionsField(into *orgs.MembersChange) field {
	return field{name: "add", read: func(raw json.RawMessage) []fieldError {
		return readUsers(into, raw, func(value json.RawMessage) (string, []fieldError) {
			var m orgs.NewMember
			var o object
			if err := json.Unmarshal(value, &o); err != nil || o == nil {
				return "", []fieldError{{Code: fieldWrongType, Detail: "Must be an object with a userId."}}
			}
			bad := o.faults(userIDField(&m.UserID).must(), optional(&m.Roles, rolesField))
			for i := range bad {
				bad[i].Field = "." + bad[i].Field
			}
			into.Add = append(into.Add, m)
			return m.UserID, bad
		})
	}}
}

// removalsField reads the users to remove, and reports duplicates as additionsField does.
func removalsField(into *orgs.MembersChange) field {
	return field{name: "remove", read: func(raw json.RawMessage) []fieldError {
		return readUsers(into, raw, func(value json.RawMessage) (string, []fieldError) {
			id, err := readText(value)
			if err == nil {
				err = textFault(orgs.ValidUserID(id))
			}
			if err != nil {
				return "", []fieldError{*err}
			}
			into.Remove = append(into.Remove, id)
			return id, nil
		})
	}}
}

// readUsers calls read for each element of an array. read adds a user to named and
// returns the user's id. A user who was already in named is a duplicate.
func readUsers(named *orgs.MembersChange, raw json.RawMessage, read func(json.RawMessage) (string, []fieldError)) []fieldError {
	left := orgs.MaxMembersChange - len(named.Add)
	values, bad := readArray(raw, left, "Must have at most 100 users, in add and remove together.")
	for i, value := range values {
		known := *named
		id, wrong := read(value)
		if len(wrong) == 0 && names(known, id) {
			wrong = []fieldError{{Code: fieldRepeated, Detail: "Duplicate user. Name each user once, in add or in remove."}}
		}
		for _, err := range wrong {
			err.Field = "." + strconv.Itoa(i) + err.Field
			bad = append(bad, err)
		}
	}
	return bad
}

func names(users orgs.MembersChange, id string) bool {
	return slices.Contains(users.Remove, id) || slices.ContainsFunc(users.Add, func(m orgs.NewMember) bool { return m.UserID == id })
}

// readArray returns the elements of a JSON array. It reports any other value, and an
// array with more than most elements.
func readArray(raw json.RawMessage, most int, tooMany string) ([]json.RawMessage, []fieldError) {
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil || values == nil {
		return nil, []fieldError{{Code: fieldWrongType, Detail: "Must be an array."}}
	}
	if len(values) > most {
		return nil, []fieldError{{Code: fieldTooMany, Detail: tooMany}}
	}
	return values, nil
}
