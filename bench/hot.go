package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// measureHot adds members to one organization from all connections concurrently, and checks
// that none is lost. It does not use wrk, which drops the last responses of a run. A slower
// client is good enough, because the requests wait for each other most of the time.
func (b *bench) measureHot(ctx context.Context) error {
	progress("adding members to one organization")
	orgID, err := b.createOrg(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	added, err := b.addMembers(ctx, orgID, start.Add(time.Duration(b.seconds)*time.Second))
	if err != nil {
		return err
	}
	took := time.Since(start)
	counted, rows, err := b.countMembers(ctx, orgID)
	if err != nil {
		return err
	}
	if counted != added || rows != added {
		return fmt.Errorf("%s: %d members were added, but userCount is %d and there are %d rows", orgID, added, counted, rows)
	}
	b.printf("\none organization, members added from %d connections for %d s: %.0f/s; all %d are stored\n",
		connections, b.seconds, float64(added)/took.Seconds(), added)
	return nil
}

func (b *bench) createOrg(ctx context.Context) (orgID string, err error) {
	status, answer, err := b.client.do(ctx, http.MethodPost, "http://"+b.orgd.addr+"/v1/orgs", `{"orgName":"Hot"}`)
	if err != nil {
		return "", err
	}
	if status != http.StatusCreated {
		return "", fmt.Errorf("create: status %d\n%s", status, answer)
	}
	var org struct{ OrgID string }
	err = json.Unmarshal(answer, &org)
	return org.OrgID, err
}

// addMembers returns the number of acknowledged additions. It waits for the requests
// that were sent before the end.
func (b *bench) addMembers(ctx context.Context, orgID string, end time.Time) (added int, err error) {
	g, ctx := errgroup.WithContext(ctx)
	each := make([]int, connections)
	for i := range each {
		g.Go(func() (err error) {
			for err == nil && time.Now().Before(end) {
				if err = b.addMember(ctx, orgID); err == nil {
					each[i]++
				}
			}
			return err
		})
	}
	err = g.Wait()
	for _, n := range each {
		added += n
	}
	return added, err
}

func (b *bench) addMember(ctx context.Context, orgID string) error {
	body := fmt.Sprintf(`{"userId":"usr_%016x%016x"}`, rand.Uint64(), rand.Uint64())
	status, answer, err := b.client.do(ctx, http.MethodPost, "http://"+b.orgd.addr+"/v1/orgs/"+orgID+"/users", body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("add member: status %d\n%s", status, answer)
	}
	return err
}

// countMembers returns the organization's user count and the number of stored members.
func (b *bench) countMembers(ctx context.Context, orgID string) (counted, rows int, err error) {
	body, _, err := b.client.get(ctx, "http://"+b.orgd.addr+"/v1/orgs/"+orgID)
	if err != nil {
		return 0, 0, err
	}
	var org struct{ UserCount int }
	if err := json.Unmarshal(body, &org); err != nil {
		return 0, 0, err
	}
	conn, err := pgx.Connect(ctx, b.tenant.databaseURL)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "SELECT count(*) FROM org_members WHERE account_id = $1 AND org_id = $2::text::uuid",
		b.tenant.accountID, orgID[len("org_"):]).Scan(&rows)
	return org.UserCount, rows, err
}
