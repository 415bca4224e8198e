package wire

import "orgd/internal/accounts"

// Account is the JSON object of an account.
type Account struct {
	AccountID   string `json:"accountId"`
	AccountName string `json:"accountName"`
	CreatedAt   Time   `json:"createdAt"`
	SuspendedAt *Time  `json:"suspendedAt,omitempty"`
}

// NewAccount returns the JSON object of an account.
func NewAccount(a accounts.Account) Account {
	return Account{AccountID: a.ID.String(), AccountName: a.Name, CreatedAt: Time(a.CreatedAt), SuspendedAt: (*Time)(a.SuspendedAt)}
}
