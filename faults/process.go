package main

import (
	"context"

	"orgd/internal/child"
)

// run runs a program; its error has what the program complained of.
func run(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, name, args...)
	return err
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	return child.Output(child.Command(ctx, name, args...))
}
