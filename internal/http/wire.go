package http

import (
	"time"

	"orgd/internal/accounts"
	"orgd/internal/apikeys"
	"orgd/internal/orgs"
)

// Time is a time in the format of every answer.
type Time time.Time

// MarshalText writes what appendTime does.
func (t Time) MarshalText() ([]byte, error) { return appendTime(nil, time.Time(t)), nil }

// Account is the account object.
type Account struct {
	AccountID   string `json:"accountId"`
	AccountName string `json:"accountName"`
	CreatedAt   Time   `json:"createdAt"`
}

// NewAccount returns the object of an account.
func NewAccount(a accounts.Account) Account {
	return Account{AccountID: a.ID.String(), AccountName: a.Name, CreatedAt: Time(a.CreatedAt)}
}

// APIKey is the API key object. Key is present only in the answer to the call that made
// it.
type APIKey struct {
	APIKeyID    string          `json:"apiKeyId"`
	Description string          `json:"description"`
	Hint        string          `json:"hint"`
	Scopes      []apikeys.Scope `json:"scopes"`
	CreatedAt   Time            `json:"createdAt"`
	ExpiresAt   *Time           `json:"expiresAt,omitempty"`
	LastUsedAt  *Time           `json:"lastUsedAt,omitempty"`
	RevokedAt   *Time           `json:"revokedAt,omitempty"`
	Key         string          `json:"key,omitempty"`
}

// NewAPIKey returns the object of a key, without the key itself.
func NewAPIKey(k apikeys.APIKey) APIKey {
	return APIKey{
		APIKeyID:    k.ID.String(),
		Description: k.Description,
		Hint:        k.Hint,
		Scopes:      k.Scopes,
		CreatedAt:   Time(k.CreatedAt),
		ExpiresAt:   optionalTime(k.ExpiresAt),
		LastUsedAt:  optionalTime(k.LastUsedAt),
		RevokedAt:   optionalTime(k.RevokedAt),
	}
}

// APIKeyPage is a page of keys, newest first.
type APIKeyPage struct {
	HasMore bool     `json:"hasMore"`
	APIKeys []APIKey `json:"apiKeys"`
	Cursor  string   `json:"cursor,omitempty"`
}

// NewAPIKeyPage returns the object of a page.
func NewAPIKeyPage(p apikeys.Page) APIKeyPage {
	page := APIKeyPage{HasMore: p.Cursor != "", APIKeys: make([]APIKey, 0, len(p.APIKeys)), Cursor: p.Cursor}
	for _, k := range p.APIKeys {
		page.APIKeys = append(page.APIKeys, NewAPIKey(k))
	}
	return page
}

// memberPage is a page of the members of an organization.
type memberPage struct {
	HasMore bool     `json:"hasMore"`
	Users   []member `json:"users"`
	Cursor  string   `json:"cursor,omitempty"`
}

type member struct {
	UserID  string `json:"userId"`
	AddedAt Time   `json:"addedAt"`
}

func newMemberPage(p orgs.MemberPage) memberPage {
	page := memberPage{HasMore: p.Cursor != "", Users: make([]member, 0, len(p.Members)), Cursor: p.Cursor}
	for _, m := range p.Members {
		page.Users = append(page.Users, member{UserID: formatUserID(m.UserID), AddedAt: Time(m.AddedAt)})
	}
	return page
}

func optionalTime(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	w := Time(t)
	return &w
}
