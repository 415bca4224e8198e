package main

import (
	"context"
	"errors"
)

// measureLimits compares orgd with and without its limits, both freshly started.
func (b *bench) measureLimits(ctx context.Context) (err error) {
	limited, err := b.startOrgd(ctx, "limited.log", poolSize)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, limited.stop()) }()
	unlimited, err := b.startOrgd(ctx, "unlimited.log", poolSize,
		"ORGD_RATE_LIMIT=0", "ORGD_RATE_LIMIT_PER_ACCOUNT=0", "ORGD_MAX_IN_FLIGHT=0", "ORGD_MAX_IN_FLIGHT_PER_KEY=0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlimited.stop()) }()
	return b.compare(ctx, comparison{
		"first page, limit=100: A is orgd with its limits, B is orgd without", listURL(limited, pageSize, "", ""), listURL(unlimited, pageSize, "", ""),
	})
}
