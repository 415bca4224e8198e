package orgs

import (
	"orgd/internal/cursor"
	"orgd/internal/uuid"
)

// ListStatement returns the statement of a list without a name filter.
func ListStatement(account uuid.UUID, p ListParams, after *cursor.Position) (string, []any) {
	s := orgList(listQuery{ListParams: p, accountID: account, after: after})
	return s.sql, s.args
}

// IndexedStatement returns the statement that looks a rare name up.
func IndexedStatement(account uuid.UUID, p ListParams) (string, []any) {
	s := orgListIndexed(listQuery{ListParams: p, accountID: account, folded: Fold(p.Name)})
	return s.sql, s.args
}

// WalkedStatement returns the statement that looks at every name in order.
func WalkedStatement(account uuid.UUID, p ListParams) (string, []any) {
	s := orgListWalked(listQuery{ListParams: p, accountID: account, folded: Fold(p.Name)})
	return s.sql, s.args
}
