package transfer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
	"orgd/internal/wire"
)

// A parser reads lines, one after the other. For each line, it collects what is wrong with
// its values.
type parser struct {
	reader
	faults []string
}

// parse reads the organization on a line. Its ID is zero if the line has none.
func (p *parser) parse(line []byte) (orgs.ImportOrg, error) {
	p.begin(line)
	p.faults = nil
	var o orgs.ImportOrg
	isObject := p.object(func(name string) {
		if !p.isNull() {
			p.orgField(name, &o)
		}
	})
	if !isObject {
		p.fail(errSyntax)
	}
	if err := p.end(); err != nil {
		return orgs.ImportOrg{}, err
	}
	if o.Name == "" && len(p.faults) == 0 {
		p.fault("orgName", errors.New("is required"))
	}
	return o, p.faulty()
}

// maxFaults is the maximum number of faults that are reported for one line.
const maxFaults = 5

func (p *parser) fault(field string, err error) {
	if err != nil && len(p.faults) < maxFaults {
		p.faults = append(p.faults, field+" "+err.Error())
	}
}

func (p *parser) faulty() error {
	if len(p.faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.faults, "; "))
}

func (p *parser) orgField(name string, o *orgs.ImportOrg) {
	switch name {
	case "orgId":
		id, ok := wire.ParseOrgID(p.string(name))
		if o.ID, o.IDIsOwn = id, ok && id != (uuid.UUID{}); !o.IDIsOwn {
			p.fault(name, errors.New("must be org_ followed by 32 lower-case hexadecimal digits that are not all 0"))
		}
	case "orgName":
		var err error
		o.Name, err = orgs.ValidName(p.string(name))
		p.fault(name, err)
	case "externalId":
		o.ExternalID = p.string(name)
		p.fault(name, orgs.ValidExternalID(o.ExternalID))
	case "createdByUserId":
		o.CreatedByUserID = p.string(name)
		p.fault(name, orgs.ValidUserID(o.CreatedByUserID))
	case "createdAt":
		o.CreatedAt = p.time(name)
	case "isActive":
		active, ok := p.boolean()
		if o.IsActive = &active; !ok {
			p.wrongType(name, "true or false")
		}
	case "metadata":
		o.Metadata = p.metadata()
	case "members":
		o.Members = p.members()
	default:
		p.fail(fmt.Errorf("the field %s is unknown", shown(name)))
	}
}

// maxShown is the maximum number of characters of a name from the line that an error shows.
const maxShown = 64

// shown returns a name from the line for an error: quoted, so that it has no control
// characters, and cut to maxShown characters.
func shown(name string) string {
	runes := []rune(name)
	if len(runes) > maxShown {
		return strconv.Quote(string(runes[:maxShown]) + "…")
	}
	return strconv.Quote(name)
}

func (p *parser) wrongType(field, want string) { p.fail(fmt.Errorf("%s must be %s", field, want)) }

func (p *parser) string(field string) string {
	s, ok := p.text()
	if !ok {
		p.wrongType(field, "a string")
	}
	return s
}

// earliest is the earliest time that an organization's id can contain.
var earliest = time.Unix(0, 0)

// time reads a time, to the microsecond.
func (p *parser) time(field string) time.Time {
	value := p.string(field)
	t, ok := wire.ParseTime(value)
	if !ok {
		p.fault(field, errors.New("must be a time such as 2026-03-01T09:30:00.123456Z"))
		return time.Time{}
	}
	if t.Before(earliest) {
		p.fault(field, errors.New("must not be before 1970"))
	}
	return t.UTC().Truncate(time.Microsecond)
}

// metadata reads the metadata. It never returns nil.
func (p *parser) metadata() map[string]string {
	pairs := map[string]string{}
	isObject := p.object(func(key string) {
		pairs[key] = p.string("each metadata value")
	})
	if !isObject {
		p.wrongType("metadata", "an object of strings")
	}
	if len(pairs) > orgs.MaxMetadataPairs {
		p.fault("metadata", fmt.Errorf("must have at most %d pairs", orgs.MaxMetadataPairs))
	}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if err := orgs.ValidMetadataKey(key); err != nil {
			p.fault("a metadata key", err)
			continue
		}
		p.fault("metadata."+strings.Trim(shown(key), `"`), orgs.ValidMetadataValue(pairs[key]))
	}
	return pairs
}

// members reads the members. It never returns nil.
func (p *parser) members() []orgs.ImportMember {
	members := []orgs.ImportMember{}
	isArray := p.array(func() { members = append(members, p.member()) })
	if !isArray {
		p.wrongType("members", "an array")
	}
	p.areDifferent(members)
	return members
}

// Up to fewMembers members are compared with one another, which is faster than a map.
const fewMembers = 16

func (p *parser) areDifferent(members []orgs.ImportMember) {
	if len(members) <= fewMembers {
		for n, m := range members {
			if slices.ContainsFunc(members[:n], func(other orgs.ImportMember) bool { return other.UserID == m.UserID }) {
				p.repeated(m)
			}
		}
		return
	}
	known := make(map[string]bool, len(members))
	for _, m := range members {
		if known[m.UserID] {
			p.repeated(m)
		}
		known[m.UserID] = true
	}
}

func (p *parser) repeated(m orgs.ImportMember) {
	if m.UserID != "" { // an empty id has its own fault
		p.fault("members", fmt.Errorf("must not contain the userId %q twice", m.UserID))
	}
}

func (p *parser) member() (m orgs.ImportMember) {
	var hasUser bool
	isObject := p.object(func(name string) {
		switch name {
		case "userId":
			hasUser = true
			m.UserID = p.string("the userId of a member")
			p.fault("the userId of a member", orgs.ValidUserID(m.UserID))
		case "addedAt":
			if !p.isNull() {
				m.AddedAt = p.time("the addedAt of a member")
			}
		case "roles":
			if !p.isNull() {
				m.Roles = p.roles()
			}
		default:
			p.fail(fmt.Errorf("the field %s of a member is unknown", shown(name)))
		}
	})
	switch {
	case !isObject:
		p.wrongType("each member", "an object")
	case p.err == nil && !hasUser:
		p.fault("each member", errors.New("must have a userId"))
	}
	return m
}

// roles reads the roles of a member and sorts them. It never returns nil.
func (p *parser) roles() []string {
	roles := []string{}
	isArray := p.array(func() {
		role := p.string("each role")
		if p.err == nil && orgs.ValidRole(role) != nil {
			p.fault("each role", fmt.Errorf("must have 1 to %d characters from A-Z, a-z, 0-9, :, _, . and -", orgs.MaxRole))
		}
		roles = append(roles, role)
	})
	if !isArray {
		p.wrongType("roles", "an array of strings")
	}
	if len(roles) > orgs.MaxRoles {
		p.fault("roles", fmt.Errorf("must have at most %d roles", orgs.MaxRoles))
	}
	slices.Sort(roles)
	if len(slices.Compact(slices.Clone(roles))) < len(roles) {
		p.fault("roles", errors.New("must not contain a role twice"))
	}
	return roles
}

// appendLine appends the line of an organization, which parser.parse reads.
func appendLine(b []byte, o *orgs.Exported) []byte {
	b = append(b, `{"orgId":"`...)
	b = append(b, wire.FormatOrgID(o.ID)...)
	b = append(b, `","orgName":`...)
	b = wire.AppendString(b, o.Name)
	if o.ExternalID != "" {
		b = append(b, `,"externalId":`...)
		b = wire.AppendString(b, o.ExternalID)
	}
	b = append(b, `,"createdAt":"`...)
	b = wire.AppendTime(b, o.CreatedAt)
	b = append(b, `","isActive":`...)
	if o.IsActive {
		b = append(b, "true"...)
	} else {
		b = append(b, "false"...)
	}
	b = append(b, `,"metadata":`...)
	b = append(b, o.Metadata...)
	if o.CreatedByUserID != "" {
		b = append(b, `,"createdByUserId":`...)
		b = wire.AppendString(b, o.CreatedByUserID)
	}
	b = append(b, `,"members":[`...)
	for n := range o.Members {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, &o.Members[n])
	}
	return append(b, "]}\n"...)
}

func appendMember(b []byte, m *orgs.Member) []byte {
	b = append(b, `{"userId":`...)
	b = wire.AppendString(b, m.UserID)
	b = append(b, `,"addedAt":"`...)
	b = wire.AppendTime(b, m.AddedAt)
	b = append(b, `","roles":[`...)
	for n, role := range m.Roles {
		if n > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, role)
	}
	return append(b, "]}"...)
}
