// Drives a real orgd with the client that oapi-codegen generates.
package main

//go:generate go tool oapi-codegen -generate types,client -package api -o gen/api.go ../../../openapi.yaml

import (
	"context"
	"fmt"
	"net/http"
	"os"

	api "orgd/clients/check/oapi-codegen/gen"
)

func main() {
	if err := drive(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "oapi-codegen:", err)
		os.Exit(1)
	}
}

func drive(ctx context.Context) error {
	client, err := api.NewClientWithResponses(os.Getenv("ORGD_URL"), api.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+os.Getenv("ORGD_API_KEY"))
		return nil
	}))
	if err != nil {
		return err
	}

	created, err := client.CreateOrgWithResponse(ctx, &api.CreateOrgParams{IdempotencyKey: new("oapi-codegen")}, api.CreateOrgJSONRequestBody{
		OrgName:  "oapi-codegen",
		Metadata: &api.NewMetadata{"region": "eu"},
	})
	if err != nil || created.JSON201 == nil {
		return fmt.Errorf("create: %v, %s", err, created.Body)
	}
	orgID := created.JSON201.OrgId

	page, err := client.ListOrgsWithResponse(ctx, &api.ListOrgsParams{Limit: new(api.Limit(1)), OrgName: new("oapi-codegen")})
	if err != nil || page.JSON200 == nil || page.JSON200.Organizations[0].OrgId != orgID {
		return fmt.Errorf("list: %v, %s", err, page.Body)
	}

	patched, err := client.UpdateOrgWithResponse(ctx, orgID, nil, api.UpdateOrgJSONRequestBody{OrgName: new("oapi-codegen 2")})
	if err != nil || patched.JSON200 == nil || patched.JSON200.OrgName != "oapi-codegen 2" {
		return fmt.Errorf("patch: %v, %s", err, patched.Body)
	}

	changed, err := client.ChangeMembersWithResponse(ctx, orgID, nil, api.ChangeMembersJSONRequestBody{
		Add: &[]api.NewMember{{UserId: "auth0|1", Roles: &api.NewRoles{"owner"}}},
	})
	if err != nil || changed.JSON200 == nil || changed.JSON200.Added != 1 {
		return fmt.Errorf("members: %v, %s", err, changed.Body)
	}
	members, err := client.ListMembersWithResponse(ctx, orgID, nil)
	if err != nil || members.JSON200 == nil || len(members.JSON200.Users) != 1 || members.JSON200.Users[0].UserId != "auth0|1" {
		return fmt.Errorf("list members: %v, %s", err, members.Body)
	}

	key, err := client.CreateApiKeyWithResponse(ctx, nil, api.CreateApiKeyJSONRequestBody{Description: "oapi-codegen", Scopes: api.Scopes{"orgs:read"}})
	if err != nil || key.JSON201 == nil || key.JSON201.Key == nil {
		return fmt.Errorf("create a key: %v, %s", err, key.Body)
	}
	keys, err := client.ListApiKeysWithResponse(ctx, nil)
	if err != nil || keys.JSON200 == nil || keys.JSON200.ApiKeys[0].ApiKeyId != key.JSON201.ApiKeyId {
		return fmt.Errorf("list keys: %v, %s", err, keys.Body)
	}
	revoked, err := client.RevokeApiKeyWithResponse(ctx, key.JSON201.ApiKeyId, nil, api.RevokeApiKeyJSONRequestBody{})
	if err != nil || revoked.JSON200 == nil || revoked.JSON200.RevokedAt == nil {
		return fmt.Errorf("revoke: %v, %s", err, revoked.Body)
	}

	// The codes of errors are typed constants.
	deleted, err := client.DeleteOrgWithResponse(ctx, orgID, nil, api.DeleteOrgJSONRequestBody{})
	if err != nil || deleted.ApplicationproblemJSON409 == nil || deleted.ApplicationproblemJSON409.Code != api.OrgActiveCodeOrgActive {
		return fmt.Errorf("delete: %v, %s", err, deleted.Body)
	}
	rejected, err := client.CreateOrgWithResponse(ctx, nil, api.CreateOrgJSONRequestBody{})
	if err != nil || rejected.ApplicationproblemJSON422 == nil || rejected.ApplicationproblemJSON422.Code != api.UnprocessableCodeInvalidField {
		return fmt.Errorf("create without a name: %v, %s", err, rejected.Body)
	}
	return nil
}
