package http

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// createOrgs creates several organizations, or none.
func (s *Server) createOrgs(c echo.Context) error {
	var all []orgs.NewOrg
	call, err := readCall(c, true, newOrgsField(&all).must())
	if err := cmp.Or(checkImport(c, all...), err); err != nil {
		return err
	}
	made, replayed, err := s.cfg.Orgs.CreateBatch(c.Request().Context(), call, all)
	if err != nil {
		return batchError(err)
	}
	markReplay(c, replayed)
	return writeJSON(c, http.StatusCreated, appendOrgs(nil, made))
}

// batchField is the field with the organizations of a batch.
const batchField = "organizations"

// newOrgsField reads the organizations of a batch. It reports ids that more than one of
// them has.
func newOrgsField(into *[]orgs.NewOrg) field {
	return field{name: batchField, read: func(raw json.RawMessage) []fieldError {
		values, bad := readArray(raw, orgs.MaxBatch, "Must have at most 100 organizations.")
		if len(values) == 0 && len(bad) == 0 {
			return []fieldError{{Code: fieldRequired, Detail: "Must contain at least one organization."}}
		}
		ids, externalIDs := firsts[uuid.UUID]{}, firsts[string]{}
		for i, value := range values {
			n, wrong := readNewOrg(value)
			if n.Import != nil {
				wrong = ids.check(wrong, "orgId", n.Import.OrgID, i)
			}
			wrong = externalIDs.check(wrong, "externalId", n.ExternalID, i)
			for _, err := range wrong {
				err.Field = "." + strconv.Itoa(i) + err.Field
				bad = append(bad, err)
			}
			*into = append(*into, n)
		}
		return bad
	}}
}

func readNewOrg(value json.RawMessage) (n orgs.NewOrg, bad []fieldError) {
	var o object
	if err := json.Unmarshal(value, &o); err != nil || o == nil {
		return n, []fieldError{{Code: fieldWrongType, Detail: "Must be an object with an orgName."}}
	}
	bad = o.faults(newOrgFields(&n)...)
	for i := range bad {
		bad[i].Field = "." + bad[i].Field
	}
	return n, bad
}

// firsts has, for each id in a batch, the index of the first organization with that id.
type firsts[ID comparable] map[ID]int

// check adds an error to those of an organization if an earlier organization has the same
// id. The zero value means no id.
func (f firsts[ID]) check(wrong []fieldError, name string, id ID, index int) []fieldError {
	var none ID
	if id == none || slices.ContainsFunc(wrong, func(e fieldError) bool { return e.Field == "."+name }) {
		return wrong
	}
	if first, isKnown := f[id]; isKnown {
		detail := "Duplicate " + name + ". " + batchField + "." + strconv.Itoa(first) + " has the same one."
		return append(wrong, fieldError{Field: "." + name, Code: fieldRepeated, Detail: detail})
	}
	f[id] = index
	return wrong
}

// batchError converts an orgs.BatchError to an error that names the organizations of the
// batch that cannot be created. It returns other errors unchanged.
func batchError(err error) error {
	var refused orgs.BatchError
	if !errors.As(err, &refused) {
		return err
	}
	var bad []fieldError
	for _, fault := range refused.Faults {
		one := batchFault(fault.Err)
		one.Field = batchField + "." + strconv.Itoa(fault.Index) + one.Field
		bad = append(bad, one)
	}
	first := refused.Faults[0].Err
	var taken orgs.ExternalIDTakenError
	switch {
	case errors.Is(first, orgs.ErrFuture):
		return invalidFields(codeInvalidField, bad).withCause(err)
	case errors.As(first, &taken):
		e := invalidFields(codeExternalIDTaken, bad)
		e.orgID = wire.FormatOrgID(taken.OrgID)
		return e.withCause(err)
	}
	return invalidFields(codeOrgIDTaken, bad).withCause(err)
}

func batchFault(err error) fieldError {
	var taken orgs.ExternalIDTakenError
	switch {
	case errors.Is(err, orgs.ErrFuture):
		return fieldError{Field: ".createdAt", Code: fieldOutOfRange, Detail: createdAtRange}
	case errors.As(err, &taken):
		id := wire.FormatOrgID(taken.OrgID)
		return fieldError{Field: ".externalId", Code: fieldTaken, Detail: "The organization " + id + " of this account already has this externalId.", OrgID: id}
	}
	return fieldError{Field: ".orgId", Code: fieldTaken, Detail: "This account has an organization with this orgId, or had one that was deleted."}
}
