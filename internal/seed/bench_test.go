package seed

import "testing"

// BenchmarkOrg makes one organization, without encoding it.
func BenchmarkOrg(b *testing.B) {
	g := newGenerator(Options{Orgs: 1_000_000, Members: 5})
	var o org
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		g.make(i%g.orgs, &o)
	}
}

func BenchmarkMember(b *testing.B) {
	g := newGenerator(Options{Orgs: 1_000_000, Members: 5})
	rows := newMemberRows(&g, Options{}, block{to: 1 << 40})
	b.ReportAllocs()
	for b.Loop() && rows.Next() {
		if _, err := rows.Values(); err != nil {
			b.Fatal(err)
		}
	}
}
