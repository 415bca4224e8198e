package dbtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"testing"
)

// StoredCall is what a release stores for one call with an Idempotency-Key: the text
// whose digest identifies the call, and the record of its result.
type StoredCall struct {
	Operation string
	Call      json.RawMessage // compared byte by byte, through its digest
	Result    json.RawMessage
}

// StoredCalls returns the stored calls of a golden file, by name.
func StoredCalls(t testing.TB, file string) map[string]StoredCall {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]StoredCall
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	return golden
}

// WantStored checks that the row of the Idempotency-Key "k" equals the golden one. It
// ignores the fields of the result that are listed in random, a PostgreSQL array of names.
func (d *DB) WantStored(t testing.TB, golden StoredCall, random string) {
	t.Helper()
	if random == "" {
		random = "{}"
	}
	name, call := sha256.Sum256([]byte(golden.Operation+"\x00k")), sha256.Sum256(golden.Call)
	var got []byte
	var result string
	var same bool
	err := d.Pool.QueryRow(context.Background(), `
SELECT call_digest, result, result #- '{Result}' = golden #- '{Result}' AND (result->'Result') - $3::text[] = (golden->'Result') - $3::text[]
FROM idempotency_keys, (SELECT $2::jsonb AS golden) AS v1
WHERE key_digest = $1`, name[:], string(golden.Result), random).Scan(&got, &result, &same)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, call[:]) {
		t.Errorf("the stored digest is not the digest of %s", golden.Call)
	}
	if !same {
		t.Errorf("stored %s\nwant   %s", result, golden.Result)
	}
}
