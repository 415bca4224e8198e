// Package transfer imports organizations from NDJSON and exports them as NDJSON. Each line
// is one organization with its members.
package transfer
