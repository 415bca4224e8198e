package wire

import (
	"orgd/internal/apikeys"
	"orgd/internal/uuid"
)

// APIKey is the JSON object of an API key. Key is present only in the response to the
// call that created the key.
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

	CreatedByAPIKeyID uuid.UUID `json:"createdByApiKeyId,omitzero"` // zero if an operator created the key
}

// NewAPIKey returns the JSON object of a key, without the key itself.
func NewAPIKey(k apikeys.APIKey) APIKey {
	return APIKey{
		APIKeyID:    k.ID.String(),
		Description: k.Description,
		Hint:        k.Hint,
		Scopes:      k.Scopes,
		CreatedAt:   Time(k.CreatedAt),
		ExpiresAt:   OptionalTime(k.ExpiresAt),
		LastUsedAt:  OptionalTime(k.LastUsedAt),
		RevokedAt:   OptionalTime(k.RevokedAt),

		CreatedByAPIKeyID: k.CreatedByAPIKeyID,
	}
}

// APIKeyPage is the JSON object of a page of keys, newest first.
type APIKeyPage struct {
	HasMore bool     `json:"hasMore"`
	APIKeys []APIKey `json:"apiKeys"`
	Cursor  string   `json:"cursor,omitempty"`
}

// NewAPIKeyPage returns the JSON object of a page.
func NewAPIKeyPage(p apikeys.Page) APIKeyPage {
	page := APIKeyPage{HasMore: p.Cursor != "", APIKeys: make([]APIKey, 0, len(p.APIKeys)), Cursor: p.Cursor}
	for _, k := range p.APIKeys {
		page.APIKeys = append(page.APIKeys, NewAPIKey(k))
	}
	return page
}
