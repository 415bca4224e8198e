package seed

import (
	"testing"

	"orgd/internal/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
