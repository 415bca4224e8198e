package http

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"orgd/internal/orgs"
	"orgd/internal/wire"
)

// ifMatch returns the versions that If-Match allows, or nil if it allows any. A tag that
// orgd did not make matches no version.
func ifMatch(h http.Header) (orgs.Versions, error) {
	tags, err := readTags(h, "If-Match")
	if err != nil || tags == nil || tags.any {
		return nil, err
	}
	match := orgs.Versions{}
	for _, tag := range tags.list {
		if version, ours := versionOf(tag); ours {
			match = append(match, version)
		}
	}
	return match, nil
}

// isKnown reports whether the client already has this version: If-None-Match lists it.
func isKnown(h http.Header, version int64) (bool, error) {
	tags, err := readTags(h, "If-None-Match")
	if err != nil || tags == nil {
		return false, err
	}
	return tags.any || slices.ContainsFunc(tags.list, func(tag string) bool {
		listed, ours := versionOf(tag)
		return ours && listed == version
	}), nil
}

// preconditionError converts an orgs.VersionError or orgs.RevisionError to a 412 with the
// current ETag. It returns other errors unchanged.
func preconditionError(err error) error {
	var version orgs.VersionError
	var revision orgs.RevisionError
	switch {
	case errors.As(err, &version):
		e := newError(codePreconditionFailed, "If-Match does not list the organization's current ETag. "+readAgain)
		return e.tagged(version.Current).withCause(err)
	case errors.As(err, &revision):
		e := newError(codePreconditionFailed, "The organization's revision is "+strconv.FormatInt(revision.Current, 10)+", not the one in the request. "+readAgain)
		return e.tagged(revision.Version).withCause(err)
	}
	return err
}

const readAgain = "Read the organization again and check whether the change still applies."

// tagged adds the current ETag, unless the version is 0, which means unknown.
func (e *apiError) tagged(version int64) *apiError {
	if version > 0 {
		e.headers = map[string]string{"ETag": entityTag(version)}
	}
	return e
}

// conflictError converts an orgs.ExternalIDTakenError to an error that names the
// organization that has the external id. It returns other errors unchanged.
func conflictError(err error) error {
	var taken orgs.ExternalIDTakenError
	if !errors.As(err, &taken) {
		return err
	}
	e := newError(codeExternalIDTaken, "Another organization of this account has this externalId. Its orgId is in this response. Use that organization, or another externalId.")
	e.orgID = wire.FormatOrgID(taken.OrgID)
	return e.withCause(err)
}

// tagList is the value of a conditional header.
type tagList struct {
	any  bool // the header is *
	list []string
}

// readTags parses a conditional header, and returns nil if the header is missing. It
// rejects a malformed or empty header, because a client that sets a condition does not
// want it ignored.
func readTags(h http.Header, name string) (*tagList, error) {
	values := h.Values(name)
	if len(values) == 0 {
		return nil, nil
	}
	rest := strings.Trim(strings.Join(values, ","), " \t")
	if rest == "*" {
		return &tagList{any: true}, nil
	}
	var tags tagList
	for rest != "" {
		if rest[0] == ',' { // an empty element is legal (RFC 9110 section 5.6.1.2)
			rest = strings.TrimLeft(rest[1:], " \t")
			continue
		}
		tag, ok := cutTag(rest)
		if !ok {
			return nil, malformedTags(name)
		}
		tags.list = append(tags.list, tag)
		rest = strings.TrimLeft(rest[len(tag):], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, newError(codeInvalidRequest, "The ETags in "+name+" must be separated by commas.")
		}
	}
	if len(tags.list) == 0 {
		return nil, malformedTags(name)
	}
	return &tags, nil
}

func malformedTags(name string) error {
	return newError(codeInvalidRequest, name+` must be * or a list of ETags in quotes, such as "7". Leave the header out to set no condition.`)
}
