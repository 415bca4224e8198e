package text

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON is json.Marshal without HTML escapes, which make each <, > and & six bytes
// long and messages hard to read.
func MarshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
