package main

import (
	"context"

	"orgd/internal/child"
)

// run runs a program. Its error includes the program's standard error.
func run(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, name, args...)
	return err
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	return child.Output(child.Command(ctx, name, args...))
}
