package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// The harness must report what each case breaks, and nothing if nothing is broken. This
// shows that the checks can fail.
func TestHarnessDetectsBrokenPromises(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	prepared, err := newTemplate(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := prepared.remove(); err != nil {
			t.Error(err)
		}
	})
	reset := func(_ context.Context, s *stage) error {
		return s.eachProxy(func(p *proxy) { p.cut(all) })
	}
	nothing := func(context.Context, *stage) error { return nil }
	sabotage := func(ctx context.Context, e *episode) error {
		err := e.primary.exec(ctx, database, "DELETE FROM orgs WHERE org_name LIKE '%1'",
			"UPDATE orgs SET user_count = user_count + 1",
			"INSERT INTO orgs (account_id, org_id, org_name, org_name_folded) SELECT account_id, org_id, 'Back', 'back' FROM events WHERE type = 'org.deleted'",
			"DELETE FROM events WHERE type = 'org.updated'")
		return errors.Join(err, e.replicas[0].cmd.Process.Kill())
	}
	// The webhook gets all events before some of them are deleted. On a busy machine, it
	// would otherwise stop at the gap.
	gap := func(ctx context.Context, e *episode) error {
		conn, err := e.primary.connect(ctx, database)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		var all []feedEvent
		err = await(ctx, "all events have positions", deliverLimit, func() (bool, error) {
			var unnumbered error
			all, unnumbered = readFeed(ctx, conn, e.tenant.id)
			return unnumbered == nil, nil
		})
		if err != nil {
			return err
		}
		early := strings.Join(e.stage.receiver.check(ctx, all, false), "\n")
		if early != "" {
			return errors.New(early)
		}
		return e.primary.exec(ctx, database, "DELETE FROM events WHERE type = 'org.updated' AND position % 2 = 0")
	}
	for name, c := range map[string]struct {
		fault fault
		want  []string
	}{
		"a fault that does nothing": {fault{inject: nothing, affected: broken}, []string{"the fault had no effect"}},
		"sabotage": {
			fault{inject: reset, affected: broken, finalCheck: sabotage},
			[]string{"lost: create", "userCount is not the number", "lost: no event of change", "exited unexpectedly", "lost: the deletion of", "replica 1 lists deleted organizations"},
		},
		"a feed with a gap": {
			fault{inject: reset, affected: broken, finalCheck: gap},
			[]string{"feed reader 0: got ", "feed reader 2: got ", "webhook: got "},
		},
		"nothing is wrong": {fault{inject: reset, affected: broken}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.name, c.fault.load, c.fault.within = "harness", steady, 20*time.Second
			r := try(ctx, prepared, &c.fault)
			found := strings.Join(r.violations, "\n")
			if r.err != nil {
				found += r.err.Error()
			}
			for _, want := range c.want {
				if !strings.Contains(found, want) {
					t.Errorf("want %q, found %q", want, found)
				}
			}
			if len(c.want) == 0 && found != "" {
				t.Errorf("found %q", found)
			}
		})
	}
}
