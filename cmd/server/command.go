package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"orgd/internal/db"
)

// withPool gives a command its connections to a database that has the schema.
func withPool(ctx context.Context, f databaseFlags, do func(*db.Pool) error) error {
	pool, err := db.Open(ctx, f.direct(), db.Options{MaxConns: 4})
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := checkSchema(ctx, pool); err != nil {
		return err
	}
	return do(pool)
}

func validText(flag, text string) error {
	if n := utf8.RuneCountInString(text); n < 1 || n > 255 || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fmt.Errorf("%s takes 1 to 255 characters of text", flag)
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
