package transfer

import "testing"

func BenchmarkParse(b *testing.B) {
	line := []byte(`{"orgId":"org_019ca8c2f2c07a3e9f0b2d4c6e8f0a1b","orgName":"Organization 123456","externalId":"crm/4711","createdAt":"2024-03-01T10:30:00.123456Z","isActive":true,"metadata":{"plan":"pro","region":"eu"},"createdByUserId":"auth0|1","members":[{"userId":"auth0|1","addedAt":"2024-03-01T09:30:00.123456Z","roles":["owner","billing"]},{"userId":"auth0|2","addedAt":"2024-03-01T09:30:00.123456Z"}]}`)
	b.SetBytes(int64(len(line)))
	var p parser
	for b.Loop() {
		if _, err := p.parse(line); err != nil {
			b.Fatal(err)
		}
	}
}
