package orgs

// An organization without members returns one row without a member, and an unknown
// organization returns no row. The first page and the next pages are two statements, as
// in statement.after.
const memberList = `
SELECT member.user_id, member.added_at
FROM orgs
LEFT JOIN LATERAL (
  SELECT user_id, added_at
  FROM org_members
  WHERE account_id = $1 AND org_id = $2
  ORDER BY added_at DESC
  LIMIT $3
) AS member ON true
WHERE orgs.account_id = $1 AND orgs.org_id = $2
ORDER BY member.added_at DESC`

const memberListNext = `
SELECT member.user_id, member.added_at
FROM orgs
LEFT JOIN LATERAL (
  SELECT user_id, added_at
  FROM org_members
  WHERE account_id = $1 AND org_id = $2 AND added_at < $4
  ORDER BY added_at DESC
  LIMIT $3
) AS member ON true
WHERE orgs.account_id = $1 AND orgs.org_id = $2
ORDER BY member.added_at DESC`
