package transfer

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

func TestParse(t *testing.T) {
	t.Parallel()
	active := false
	const id = "org_019ca8c2f2c07a3e9f0b2d4c6e8f0a1b"
	at := time.Date(2024, 3, 1, 9, 30, 0, 123_456_000, time.UTC)
	full := orgs.ImportOrg{
		ID: uuid.UUID{0x01, 0x9c, 0xa8, 0xc2, 0xf2, 0xc0, 0x7a, 0x3e, 0x9f, 0x0b, 0x2d, 0x4c, 0x6e, 0x8f, 0x0a, 0x1b}, IDIsOwn: true,
		Name: "Åkesson \"&\" Søn 😀", ExternalID: "crm/4711", CreatedAt: at, IsActive: &active, CreatedByUserID: "auth0|1",
		Metadata: map[string]string{"plan": "pro", "a": ""},
		Members:  []orgs.ImportMember{{UserID: "auth0|1", AddedAt: at, Roles: []string{"billing", "owner"}}, {UserID: "auth0|2"}},
	}
	for _, c := range []struct {
		line string
		want orgs.ImportOrg
	}{
		{`{"orgName":"Acme"}`, orgs.ImportOrg{Name: "Acme"}},
		{` { "orgName" : " Acme\t" , "metadata" : null, "members":null,"isActive":null,"externalId":null } `, orgs.ImportOrg{Name: "Acme"}},
		{`{"orgName":"Acme","metadata":{},"members":[]}`, orgs.ImportOrg{Name: "Acme", Metadata: map[string]string{}, Members: []orgs.ImportMember{}}},
		{`{"orgName":"Acme","members":[{"userId":"a","addedAt":null,"roles":[]}]}`, orgs.ImportOrg{Name: "Acme", Members: []orgs.ImportMember{{UserID: "a", Roles: []string{}}}}},
		{
			`{"orgId":"` + id + `","orgName":"\u00c5kesson \"&\" S\u00f8n \ud83d\ude00","externalId":"crm\/4711","createdAt":"2024-03-01T10:30:00.123456789+01:00","isActive":false,` +
				`"metadata":{"plan":"pro","a":""},"createdByUserId":"auth0|1","members":[{"userId":"auth0|1","addedAt":"2024-03-01T09:30:00.123456Z","roles":["owner","billing"]},{"userId":"auth0|2"}]}`, full,
		},
	} {
		got, err := new(parser).parse([]byte(c.line))
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, diff)
		}
	}
}

func TestRefusedLines(t *testing.T) {
	t.Parallel()
	pairs := strings.Repeat(`"k%d":"v",`, 51)
	many := fmt.Sprintf(strings.ReplaceAll(pairs, "%d", "%[1]d"), 0)
	for i := range 51 {
		many = strings.Replace(many, `"k0"`, fmt.Sprintf(`"x%d"`, i), 1)
	}
	var p parser // for all lines: an error must leave nothing behind
	for line, want := range map[string]string{
		`[]`:                               "the line must be one well-formed JSON object",
		`{`:                                "the line must be one well-formed JSON object",
		`{"orgName":"A"} {}`:               "the line must be one well-formed JSON object",
		"{\"orgName\":\"A\"}\x00":          "the line must be one well-formed JSON object",
		`{"orgName":"A",}`:                 "the line must be one well-formed JSON object",
		`{"orgName":"A" "isActive":true}`:  "the line must be one well-formed JSON object",
		`{"orgName":"\x"}`:                 "the line must be one well-formed JSON object",
		`{"orgName":"A`:                    "the line must be one well-formed JSON object",
		`{"orgName":"A\`:                   "the line must be one well-formed JSON object",
		"{\"orgName\":\"A\tB\"}":           "the line must be one well-formed JSON object",
		`{"orgName":nul}`:                  "the line must be one well-formed JSON object",
		"{\"orgName\":\"\xff\"}":           "the line must be UTF-8",
		`{"orgName":"\ud83d"}`:             `the line has an unpaired surrogate escape (\ud800 to \udfff)`,
		`{"orgName":"\ud83d\u0041"}`:       `the line has an unpaired surrogate escape (\ud800 to \udfff)`,
		`{}`:                               "orgName is required",
		`{"orgName":7}`:                    "orgName must be a string",
		`{"orgName":"A","orgName":"B"}`:    `the field "orgName" appears twice`,
		`{"orgName":"A","\u001b]0;x\n":1}`: `the field "\x1b]0;x\n" is unknown`,
		`{"orgName":"A","` + strings.Repeat("k", 1000) + `":1}`:                   `the field "` + strings.Repeat("k", 64) + `…" is unknown`,
		`{"orgName":"A","metadata":{"x\ny":"` + strings.Repeat("v", 1001) + `"}}`: `metadata.x\ny must be at most 1000 characters`,
		`{"orgname":"A"}`:                                                          `the field "orgname" is unknown`,
		`{"orgName":"A","userCount":1}`:                                            `the field "userCount" is unknown`,
		`{"orgName":"A","isActive":"yes"}`:                                         "isActive must be true or false",
		`{"orgName":"A","orgId":"org_1"}`:                                          "orgId must be org_ followed by 32 lower-case hexadecimal digits that are not all 0",
		`{"orgName":"A\u0001"}`:                                                    "orgName must not contain control characters",
		`{"orgName":"A","externalId":" a"}`:                                        "externalId must not begin or end with white space",
		`{"orgName":"A","externalId":""}`:                                          "externalId must not be empty or only white space",
		`{"orgName":"A","createdAt":"now"}`:                                        "createdAt must be a time such as 2026-03-01T09:30:00.123456Z",
		`{"orgName":"A","createdAt":1}`:                                            "createdAt must be a string",
		`{"orgName":"A","metadata":{"a":1}}`:                                       "each metadata value must be a string",
		`{"orgName":"A","metadata":[]}`:                                            "metadata must be an object of strings",
		`{"orgName":"A","metadata":{"":""}}`:                                       "a metadata key must not be empty",
		`{"orgName":"A","members":{}}`:                                             "members must be an array",
		`{"orgName":"A","members":["a"]}`:                                          "each member must be an object",
		`{"orgName":"A","members":[{}]}`:                                           "each member must have a userId",
		`{"orgName":"A","members":[{"id":1}]}`:                                     `the field "id" of a member is unknown`,
		`{"orgName":"A","createdAt":"1969-12-31T23:59:59Z"}`:                       "createdAt must not be before 1970",
		`{"orgName":"A","metadata":{"a":"1","a":"2"}}`:                             `the field "metadata.a" appears twice`,
		`{"orgName":"A","metadata":{` + strings.TrimSuffix(many, ",") + `}}`:       "metadata must have at most 50 pairs",
		`{"orgName":"A","members":[{"userId":"a"},{"userId":"b"},{"userId":"a"}]}`: `members must not contain the userId "a" twice`,
		`{"orgName":"A","members":[{"userId":"a","userId":"b"}]}`:                  `the field "members.0.userId" appears twice`,
		`{"orgName":"A","members":[{"userId":"a","roles":["x y"]}]}`:               "each role must have 1 to 64 characters from A-Z, a-z, 0-9, :, _, . and -",
		`{"orgName":"A","members":[{"userId":"a","roles":["x","x"]}]}`:             "roles must not contain a role twice",
		`{"orgName":"A","members":[{"userId":"a","roles":"x"}]}`:                   "roles must be an array of strings",
		`{"orgName":"","externalId":"","members":[{"userId":"","addedAt":"x"}]}`:   "orgName must not be empty or only white space; externalId must not be empty or only white space; the userId of a member must not be empty or only white space; the addedAt of a member must be a time such as 2026-03-01T09:30:00.123456Z",
		`{"orgName":"` + strings.Repeat("é", 256) + `"}`:                           "orgName must be at most 255 characters",
		`{"orgName":"A","members":[{"userId":"a","roles":["` + strings.Join(strings.Split("abcdefghijk", ""), `","`) + `"]}]}`: "roles must have at most 10 roles",
	} {
		if _, err := p.parse([]byte(line)); err == nil || err.Error() != want {
			t.Errorf("%s:\n%v, want\n%s", line, err, want)
		}
	}
}

// A line is accepted only if encoding/json accepts it too, and both read the same values.
func FuzzParse(f *testing.F) {
	f.Add(`{"orgName":"Acme","metadata":{"a":"\u00e9\n"},"members":[{"userId":"a","roles":["x"]}]}`)
	f.Add(`{"orgName":"\ud83d\ude00","externalId":"\"\\/","isActive":true,"createdAt":"2024-03-01T09:30:00.1Z"}`)
	f.Fuzz(func(t *testing.T, line string) {
		got, err := new(parser).parse([]byte(line))
		if err != nil {
			return
		}
		var want struct {
			OrgName, ExternalID, CreatedByUserID string
			Metadata                             map[string]string
			IsActive                             *bool
			Members                              []struct{ UserID string }
		}
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		name, err := orgs.ValidName(want.OrgName)
		if err != nil || got.Name != name || got.ExternalID != want.ExternalID || got.CreatedByUserID != want.CreatedByUserID ||
			!reflect.DeepEqual(got.Metadata, want.Metadata) || !reflect.DeepEqual(got.IsActive, want.IsActive) || len(got.Members) != len(want.Members) {
			t.Fatalf("%q: %+v, want %+v (%v)", line, got, want, err)
		}
		for n, m := range want.Members {
			if got.Members[n].UserID != m.UserID {
				t.Fatalf("%q: %+v, want %+v", line, got, want)
			}
		}
	})
}

func TestAppendLineIsParsed(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 3, 1, 9, 30, 0, 0, time.UTC)
	e := orgs.Exported{
		Org: orgs.Org{
			ID: uuid.NewV7(), Name: "A \"b\" <c>", ExternalID: "x\\y", CreatedAt: at.Add(time.Microsecond), IsActive: true, Metadata: `{"a": "b"}`, CreatedByUserID: "é",
		},
		Members: []orgs.Member{{UserID: "one", AddedAt: at, Roles: []string{"a", "b"}}, {UserID: "two", AddedAt: at.Add(time.Hour)}},
	}
	active := true
	want := orgs.ImportOrg{
		ID: e.ID, IDIsOwn: true, Name: e.Name, ExternalID: e.ExternalID, CreatedAt: e.CreatedAt, IsActive: &active, Metadata: map[string]string{"a": "b"}, CreatedByUserID: "é",
		Members: []orgs.ImportMember{{UserID: "one", AddedAt: at, Roles: []string{"a", "b"}}, {UserID: "two", AddedAt: at.Add(time.Hour), Roles: []string{}}},
	}
	got, err := new(parser).parse(appendLine(nil, &e))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDerivedIDs(t *testing.T) {
	t.Parallel()
	lines := []string{`{"orgName":"A"}`, `{"orgName":"A"}`, `{"orgName":"B"}`, `{"orgName":"A","externalId":"x"}`, `{"orgName":"B","externalId":"x"}`, `{"orgName":"A","createdAt":"2024-03-01T09:30:00Z"}`}
	derive := func(account uuid.UUID) (derived []uuid.UUID) {
		s := ids{accountID: account, lines: map[[8]byte]uint32{}}
		for _, line := range lines {
			o, err := new(parser).parse([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			s.derive(&o, []byte(line))
			derived = append(derived, o.ID)
		}
		return derived
	}
	first := derive(uuid.UUID{1})
	if again := derive(uuid.UUID{1}); !reflect.DeepEqual(first, again) {
		t.Errorf("%v, then %v", first, again)
	}
	distinct := map[uuid.UUID]bool{}
	for _, id := range append(first, derive(uuid.UUID{2})...) {
		distinct[id] = true
	}
	if len(distinct) != 2*(len(lines)-1) { // both lines with the external id x have the same id
		t.Errorf("%d distinct ids: %v", len(distinct), first)
	}
	if first[5][6]>>4 != 7 || first[0][6]>>4 != 8 {
		t.Errorf("%s must have version 7, and %s version 8", first[5], first[0])
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3<<20)
	input := newLines(strings.NewReader("\ufeffone\r\n\n  \ntwo\n"+long+"\n"+long+"x\nlast"), len(long)+1)
	var got []string
	for {
		line, tooLong, err := input.next()
		if err != nil {
			break
		}
		if tooLong {
			line = []byte("too long")
		}
		got = append(got, fmt.Sprint(input.number, " ", string(line[:min(len(line), 10)]), " ", len(line)))
	}
	want := []string{"1 one 3", "4 two 3", "5 xxxxxxxxxx 3145728", "6 too long 8", "7 last 4"}
	if diff := cmp.Diff(want, got); diff != "" || input.read != int64(2*len(long)+23) {
		t.Errorf("%d bytes (-want +got):\n%s", input.read, diff)
	}
}
