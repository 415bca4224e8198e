// Drives a real orgd with the client that ogen generates.
package main

//go:generate go tool ogen --target gen --package api --clean ../../../openapi.yaml

import (
	"context"
	"fmt"
	"os"

	api "orgd/clients/check/ogen/gen"
)

func main() {
	if err := drive(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "ogen:", err)
		os.Exit(1)
	}
}

type key string

func (k key) Bearer(context.Context, api.OperationName) (api.Bearer, error) {
	return api.Bearer{Token: string(k)}, nil
}

func drive(ctx context.Context) error {
	client, err := api.NewClient(os.Getenv("ORGD_URL"), key(os.Getenv("ORGD_API_KEY")))
	if err != nil {
		return err
	}

	created, err := result[*api.CreatedHeaders](client.CreateOrg(ctx, &api.ImportedOrganization{
		OrgName:  "ogen",
		Metadata: api.NewOptNewMetadata(api.NewMetadata{"region": "eu"}),
	}, api.CreateOrgParams{IdempotencyKey: api.NewOptString("ogen")}))
	if err != nil {
		return err
	}
	orgID := created.Response.OrgId

	page, err := result[*api.PageHeaders](client.ListOrgs(ctx, api.ListOrgsParams{
		Limit:    api.NewOptFloat64(1),
		Metadata: api.NewOptMetadata(api.Metadata{"region": "eu"}),
	}))
	if err != nil {
		return err
	}
	if page.Response.Organizations[0].OrgId != orgID {
		return fmt.Errorf("list: %+v", page)
	}

	patched, err := result[*api.ChangedHeaders](client.UpdateOrg(ctx, &api.OrganizationChanges{OrgName: api.NewOptNewName("ogen 2")}, api.UpdateOrgParams{OrgId: orgID}))
	if err != nil {
		return err
	}
	if patched.Response.OrgName != "ogen 2" {
		return fmt.Errorf("patch: %+v", patched)
	}

	changed, err := result[*api.MembersChangedHeaders](client.ChangeMembers(ctx, &api.MembersChange{
		Add: []api.NewMember{{UserId: "auth0|1", Roles: api.NewRoles{"owner"}}},
	}, api.ChangeMembersParams{OrgId: orgID}))
	if err != nil {
		return err
	}
	if changed.Response.Added != 1 {
		return fmt.Errorf("members: %+v", changed)
	}
	members, err := result[*api.MemberPageHeaders](client.ListMembers(ctx, api.ListMembersParams{OrgId: orgID}))
	if err != nil {
		return err
	}
	if len(members.Response.Users) != 1 || members.Response.Users[0].UserId != "auth0|1" {
		return fmt.Errorf("list members: %+v", members)
	}

	made, err := result[*api.ApiKeyMadeHeaders](client.CreateApiKey(ctx, &api.NewApiKey{
		Description: "ogen",
		Scopes:      api.Scopes{api.ScopesItemOrgsRead},
	}, api.CreateApiKeyParams{}))
	if err != nil {
		return err
	}
	keys, err := result[*api.ApiKeyPageHeaders](client.ListApiKeys(ctx, api.ListApiKeysParams{}))
	if err != nil {
		return err
	}
	if keys.Response.ApiKeys[0].ApiKeyId != made.Response.ApiKeyId {
		return fmt.Errorf("list keys: %+v", keys)
	}
	revoked, err := result[*api.ApiKeyHeaders](client.RevokeApiKey(ctx, nil, api.RevokeApiKeyParams{ApiKeyId: made.Response.ApiKeyId}))
	if err != nil {
		return err
	}
	if !revoked.Response.RevokedAt.Set {
		return fmt.Errorf("revoke: %+v", revoked)
	}

	// The codes of errors are typed constants.
	other := &api.ImportedOrganization{OrgName: "ogen", ExternalId: api.NewOptExternalId("ogen")}
	if _, err := result[*api.CreatedHeaders](client.CreateOrg(ctx, other, api.CreateOrgParams{})); err != nil {
		return err
	}
	conflict, err := result[*api.CreationConflictHeaders](client.CreateOrg(ctx, other, api.CreateOrgParams{}))
	if err != nil {
		return err
	}
	if conflict.Response.Code != api.CreationConflictCodeExternalIDTaken {
		return fmt.Errorf("external id: %+v", conflict)
	}
	return nil
}

// result returns the response if it is a T.
func result[T any](response any, err error) (T, error) {
	got, ok := response.(T)
	if err == nil && !ok {
		err = fmt.Errorf("the response is %+v", response)
	}
	return got, err
}
