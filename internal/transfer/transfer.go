// Package transfer imports organizations from NDJSON and exports them as NDJSON, one
// organization with its members on a line.
package transfer
