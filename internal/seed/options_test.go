package seed

import (
	"strings"
	"testing"
)

func TestOptionsOutOfRange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"orgs negative":    {Options{Orgs: -1}, "-1 organizations: must be from 0"},
		"orgs too many":    {Options{Orgs: 1 << 60}, "1152921504606846976 organizations: must be from 0"},
		"from negative":    {Options{Orgs: 5, From: -1}, "from organization -1: must be from 0"},
		"from beyond orgs": {Options{Orgs: 5, From: 6}, "from organization 6: must be from 0 to their number, 5"},
		"members negative": {Options{Orgs: 5, Members: -1}, "-1 members: must be from 0 to 16384"},
		"members too many": {Options{Orgs: 5, Members: MaxMembers + 1}, "16385 members: must be from 0 to 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// No pool: the options are rejected before the database is used.
			err := Run(t.Context(), nil, c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
