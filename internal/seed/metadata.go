package seed

import "strconv"

// fields are metadata that a customer's systems might attach. The values are ASCII without
// quotes and backslashes, so they need no escapes in JSON.
var fields = [...]struct {
	key    string
	prefix string   // of a number, if there are no values
	values []string // one of these
}{
	{key: "plan", values: []string{"free", "starter", "team", "business", "enterprise"}},
	{key: "region", values: []string{
		"us-east-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1", "eu-west-1",
		"eu-north-1", "ap-northeast-1", "ap-southeast-2", "ap-south-1",
	}},
	{key: "industry", values: []string{
		"agriculture", "automotive", "banking", "construction", "education", "energy", "food",
		"government", "healthcare", "hospitality", "insurance", "legal", "logistics",
		"manufacturing", "media", "nonprofit", "real-estate", "retail", "software", "telecom",
	}},
	{key: "crm_id", prefix: "CRM-"},
	{key: "cost_center", prefix: "CC-"},
	{key: "tier", values: []string{"bronze", "silver", "gold", "platinum"}},
}

// appendMetadata appends a JSON object. A quarter of the organizations have an empty one,
// the others have at least one of the fields.
func appendMetadata(b []byte, r *rng) []byte {
	if r.percent(25) {
		return append(b, "{}"...)
	}
	chosen := 1 + r.below(1<<len(fields)-1) // one bit per field
	b = append(b, '{')
	for i := range fields {
		if chosen&(1<<i) == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendField(b, i, r)
	}
	return append(b, '}')
}

func appendField(b []byte, i int, r *rng) []byte {
	f := &fields[i]
	b = append(b, '"')
	b = append(b, f.key...)
	b = append(b, `":"`...)
	if f.values != nil {
		b = append(b, r.pick(f.values)...)
	} else {
		b = append(b, f.prefix...)
		b = strconv.AppendInt(b, 1000+r.skewed(9_999_000), 10)
	}
	return append(b, '"')
}
