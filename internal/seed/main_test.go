package seed

import (
	"testing"

	"orgd/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
