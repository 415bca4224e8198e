package main

import (
	"context"
	"fmt"

	"orgd/internal/db"
	"orgd/migrations"
)

type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Apply the pending migrations. Safe to run concurrently: one run migrates and the others wait."`
	Down   migrateDown   `cmd:"" help:"Roll back the newest migration."`
	Status migrateStatus `cmd:"" help:"List the migrations and when they were applied."`
}

type migrateUp struct {
	databaseFlags  `embed:""`
	bootstrapFlags `embed:""`
}

// Validate rejects invalid values before anything changes.
func (c *migrateUp) Validate() error {
	return firstError(c.databaseFlags.Validate(), c.bootstrapFlags.Validate())
}

// Run applies the pending migrations and prints them. It then checks the schema, and
// creates the bootstrap account and key if they are configured.
func (c *migrateUp) Run(ctx context.Context, std streams) error {
	done, err := db.MigrateUp(ctx, c.direct(), migrations.FS)
	for _, m := range done {
		fmt.Fprintln(std.out, "applied", m.File)
	}
	if err != nil {
		return err
	}
	return withPool(ctx, c.databaseFlags, func(pool *db.Pool) error {
		if len(done) == 0 {
			// The database may be newer than this program.
			fmt.Fprintln(std.out, "no pending migrations; the newest migration in this program is version", migrations.Latest())
		}
		return c.bootstrapFlags.run(ctx, pool, std.out)
	})
}

type migrateDown struct {
	databaseFlags `embed:""`
}

// Run rolls back the newest migration and prints it.
func (c *migrateDown) Run(ctx context.Context, std streams) error {
	undone, err := db.MigrateDown(ctx, c.direct(), migrations.FS)
	if err != nil {
		return err
	}
	for _, m := range undone {
		fmt.Fprintln(std.out, "rolled back", m.File)
	}
	if len(undone) == 0 {
		fmt.Fprintln(std.out, "nothing to roll back")
	}
	return nil
}

type migrateStatus struct {
	databaseFlags `embed:""`
}

// Run prints one line per migration.
func (c *migrateStatus) Run(ctx context.Context, std streams) error {
	if err := std.out.mustBeOpen(); err != nil {
		return err
	}
	all, err := db.MigrationStatus(ctx, c.direct(), migrations.FS)
	if err != nil {
		return err
	}
	for _, m := range all {
		state := "pending"
		if !m.AppliedAt.IsZero() {
			state = m.AppliedAt.Format("2006-01-02T15:04:05Z")
		}
		fmt.Fprintf(std.out, "%-20s  %s\n", state, m.File)
	}
	return nil
}
