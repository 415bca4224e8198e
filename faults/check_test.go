package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// scenario returns a small ledger and the state of the database that matches it.
func scenario() (*ledger, state) {
	answered := func(id, org string) []attempt { return []attempt{{requestID: id, status: 201, orgID: org}} }
	l := &ledger{calls: []*call{
		{kind: createKeyed, value: "a", attempts: []attempt{
			{requestID: "r1", status: 503, code: "unavailable"},
			{requestID: "r2", status: 201, orgID: "org_a"},
		}},
		{kind: createMarked, value: "b", attempts: answered("r3", "org_b")},
		{kind: createOnce, value: "c", attempts: []attempt{{requestID: "r4", status: 503, code: "unavailable"}}},
		{kind: change, org: "org_a", value: "v1", attempts: answered("r5", "org_a")},
		{kind: change, org: "org_a", value: "v2", attempts: answered("r6", "org_a")},
		{kind: addMember, org: "org_a", value: "usr_1", attempts: answered("r7", "")},
		{kind: addMember, org: "org_a", value: "usr_2", attempts: answered("r8", "")},
		{kind: removeMember, org: "org_a", value: "usr_1", attempts: answered("r9", "")},
		{kind: read, org: "org_a", attempts: answered("r10", "org_a")},
		{kind: addMember, org: "org_a", value: "usr_3", attempts: answered("r11", "")},
		{kind: eraseUser, org: "org_a", value: "usr_3", attempts: []attempt{{requestID: "r12", status: 202}}},
		{kind: createMarked, value: "d", attempts: answered("r13", "org_d")},
		{kind: addMember, org: "org_d", value: "usr_4", attempts: answered("r14", "")},
		{kind: deactivate, org: "org_d", attempts: answered("r15", "org_d")},
		{kind: deleteOrg, org: "org_d", attempts: []attempt{
			{requestID: "r16", status: 503, code: "unavailable"},
			{requestID: "r17", status: 404, code: "not_found", gone: true},
		}},
		{kind: createBatch, value: "e", attempts: []attempt{
			{requestID: "r18", status: 503, code: "unavailable"},
			{requestID: "r19", status: 201, listed: []string{"org_e0", "org_e1", "org_e2"}},
		}},
	}}
	s := state{
		created:  map[string][]string{"a": {"org_a"}, "b": {"org_b"}, "e/0": {"org_e0"}, "e/1": {"org_e1"}, "e/2": {"org_e2"}},
		metadata: map[string]string{"org_a": "v2", "org_b": ""},
		members:  map[string]string{"usr_2": "org_a"},
		named:    map[string]bool{"usr_1": true, "usr_2": true},
		events: map[string]int{
			"r2": 1, "r3": 1, "r5": 1, "r6": 1, "r7": 1, "r8": 1, "r9": 1,
			"r11": 1, "r12": 1, "r13": 1, "r14": 1, "r15": 1, "r16": 1, "r19": 3,
		},
	}
	return l, s
}

func TestVerifyFindsNothingWrong(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ledger, *state){
		"no change":                     func(*ledger, *state) {},
		"the first try had the effect":  func(_ *ledger, s *state) { delete(s.events, "r2"); s.events["r1"] = 1 },
		"an unanswered creation exists": func(_ *ledger, s *state) { s.created["c"] = []string{"org_c"}; s.events["r4"] = 1 },
		"an unanswered change came late": func(l *ledger, s *state) {
			l.calls[3].attempts = unsure(l.calls[3].attempts)
			s.metadata["org_a"] = "v1"
		},
		"a marked retry created a second one after an unknown outcome": func(l *ledger, s *state) {
			l.calls[1].attempts = unsure(l.calls[1].attempts)
			s.created["b"] = []string{"org_b", "org_b2"}
		},
		"the first try of a batch had the effect": func(l *ledger, s *state) {
			l.calls[15].attempts = append(l.calls[15].attempts[:1], attempt{requestID: "r20", status: 201, listed: []string{"org_f0", "org_f1", "org_f2"}})
			s.created["e/0"], s.created["e/1"], s.created["e/2"] = []string{"org_f0"}, []string{"org_f1"}, []string{"org_f2"}
			delete(s.events, "r19")
			s.events["r18"] = batchSize
		},
		"an unanswered addition came after the erasure": func(l *ledger, s *state) {
			l.calls[9].attempts = unsure(l.calls[9].attempts)
			s.members["usr_3"], s.named["usr_3"] = "org_a", true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := scenario()
			change(l, &s)
			if found := verify(l, s, allowance{}); len(found) > 0 {
				t.Errorf("%q", found)
			}
		})
	}
}

// unsure prepends an attempt with an unknown outcome.
func unsure(then []attempt) []attempt {
	return append([]attempt{{requestID: "unsure", status: 503, code: "unavailable"}}, then...)
}

// Each mutation loses or invents data. verify must report it.
func TestVerifyFindsEachMutation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mutate func(*ledger, *state)
		want   string
	}{
		"an acknowledged organization is gone": {func(_ *ledger, s *state) { delete(s.created, "b") }, "lost: createMarked b"},
		"an acknowledged change is gone":       {func(_ *ledger, s *state) { s.metadata["org_a"] = "v1" }, `lost: org_a has the metadata "v1"`},
		"a member is gone":                     {func(_ *ledger, s *state) { delete(s.members, "usr_2") }, "lost: usr_2 was added"},
		"a removed member is back":             {func(_ *ledger, s *state) { s.members["usr_1"] = "org_a" }, "lost: removeMember of usr_1"},
		"a member is in another one":           {func(_ *ledger, s *state) { s.members["usr_2"] = "org_b" }, "usr_2 is a member of org_b"},
		"a deleted organization is back":       {func(_ *ledger, s *state) { s.metadata["org_d"] = "" }, "lost: the deletion of org_d"},
		"one that nobody deleted is gone":      {func(_ *ledger, s *state) { delete(s.metadata, "org_b"); delete(s.created, "b") }, "lost: createMarked b"},
		"an erased user is a member":           {func(_ *ledger, s *state) { s.members["usr_3"] = "org_a" }, "lost: eraseUser of usr_3"},
		"an event names an erased user":        {func(_ *ledger, s *state) { s.named["usr_3"] = true }, "lost: eraseUser of usr_3"},
		"a deletion has no event":              {func(_ *ledger, s *state) { delete(s.events, "r16") }, "lost: no event of deleteOrg"},
		"an event is gone":                     {func(_ *ledger, s *state) { delete(s.events, "r8") }, "lost: no event of addMember"},
		"an event exists twice":                {func(_ *ledger, s *state) { s.events["r5"] = 2 }, "2 events of one attempt"},
		"a read has an event":                  {func(_ *ledger, s *state) { s.events["r10"] = 1 }, "an event from an attempt that should have had no effect"},
		"a rejected attempt has an event": {func(l *ledger, s *state) {
			l.calls[2].attempts[0].status, l.calls[2].attempts[0].code = 409, "idempotency_in_progress"
			s.events["r4"] = 1
		}, "an event from an attempt that should have had no effect"},
		"a replay has an event": {func(l *ledger, _ *state) { l.calls[0].attempts[1].replayed = true }, "an event of a replay"},
		"one key created two":   {func(_ *ledger, s *state) { s.created["a"] = []string{"org_a", "org_a2"} }, "duplicate: createKeyed a"},
		"a marked call created two without a lost answer": {func(_ *ledger, s *state) {
			s.created["b"] = []string{"org_b", "org_b2"}
		}, "duplicate: createMarked b"},
		"a marked call whose organization was deleted created two": {func(_ *ledger, s *state) {
			s.created["d"] = []string{"org_d2"}
		}, "duplicate: createMarked d"},
		"two calls got one organization": {func(l *ledger, s *state) {
			l.calls[1].attempts[0].orgID = "org_a"
			s.created["b"] = []string{"org_a"}
		}, "merged: org_a"},
		"a batch was created in part": {func(l *ledger, s *state) {
			l.calls[15].attempts = l.calls[15].attempts[:1]
			delete(s.created, "e/1")
		}, "partial: createBatch e"},
		"an organization of a batch is gone": {func(_ *ledger, s *state) { delete(s.created, "e/2") }, "lost: createBatch e"},
		"a batch was created twice": {func(_ *ledger, s *state) {
			s.created["e/0"] = []string{"org_e0", "org_e3"}
		}, "duplicate: createBatch e/0"},
		"an event of a batch is gone":        {func(_ *ledger, s *state) { s.events["r19"] = 2 }, "2 events of one attempt"},
		"an organization that nobody sent":   {func(_ *ledger, s *state) { s.created["x"] = []string{"org_x"} }, `unsent: organization "x"`},
		"a change that nobody sent":          {func(_ *ledger, s *state) { s.metadata["org_b"] = "v9" }, "unsent: org_b"},
		"a member that nobody sent":          {func(_ *ledger, s *state) { s.members["usr_9"] = "org_b" }, "unsent: usr_9"},
		"an event that nobody sent":          {func(_ *ledger, s *state) { s.events["r99"] = 1 }, "unsent: 1 events of the request r99"},
		"the database contradicts itself":    {func(_ *ledger, s *state) { s.broken = []string{"3 wrong"} }, "3 wrong"},
		"no problem document":                {func(l *ledger, _ *state) { l.calls[0].attempts[0].flaw = "text/plain" }, "flawed answer"},
		"a 500":                              {func(l *ledger, _ *state) { l.calls[0].attempts[0].status = 500 }, "unexpected answer"},
		"a 404 for an existing organization": {func(l *ledger, _ *state) { l.calls[8].attempts[0].status = 404 }, "unexpected answer"},
		"a 404 for a first deletion": {func(l *ledger, _ *state) {
			l.calls[14].attempts = []attempt{{requestID: "r16", status: 404, code: "not_found"}}
		}, "unexpected answer"},
		"a 429 without a limit":           {func(l *ledger, _ *state) { l.calls[0].attempts[0].status = 429 }, "unexpected answer"},
		"a call that hung":                {func(l *ledger, _ *state) { l.calls[0].attempts[0] = attempt{requestID: "r1", err: errHung} }, "hung"},
		"a broken connection":             {func(l *ledger, _ *state) { l.calls[0].attempts[0] = attempt{requestID: "r1", err: errors.New("EOF")} }, "broken connection"},
		"a call that never completes":     {func(l *ledger, _ *state) { l.calls[3].attempts = l.calls[2].attempts }, "never completed"},
		"a write that the harness forgot": {func(l *ledger, _ *state) { l.calls = slices.Delete(l.calls, 1, 2) }, `unsent: organization "b"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := scenario()
			c.mutate(l, &s)
			found := verify(l, s, allowance{})
			if !slices.ContainsFunc(found, func(v string) bool { return strings.HasPrefix(v, c.want) }) {
				t.Errorf("want %q, found %q", c.want, found)
			}
		})
	}
}

// Each fault has a unique name and a check that it affected the service.
func TestTableRowsAreComplete(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range table {
		if names[f.name] || f.name == "" || f.what == "" || f.promise == "" || f.inject == nil || f.affected == nil ||
			f.within <= 0 || f.within >= recoveryLimit || f.load.workers < replicaCount {
			t.Errorf("row %q is incomplete or appears twice", f.name)
		}
		names[f.name] = true
	}
	if _, err := find([]string{"silent-idle", "no-such"}); err == nil {
		t.Error("find accepts an unknown fault")
	}
	if all, err := find(nil); err != nil || len(all) != len(slices.Collect(maps.Keys(names))) {
		t.Errorf("%d of %d, %v", len(all), len(names), err)
	}
}
