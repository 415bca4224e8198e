package localpg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"orgd/internal/localpg"
)

// ownerVariable, in the environment, has the test binary start a server in the directory
// that it names, and own it until it is killed.
const ownerVariable = "LOCALPG_TEST_OWN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerVariable); dir != "" {
		own(dir)
	}
	// Where the other tests have a server from elsewhere, this package may have
	// nothing to run. Without either, they fail, and so does this.
	_, err := localpg.FindBinaries()
	if errors.Is(err, localpg.ErrNotInstalled) && os.Getenv("TEST_DATABASE_URL") != "" {
		fmt.Fprintln(os.Stderr, "localpg: NOT TESTED:", err)
		os.Exit(0)
	}
	code := m.Run()
	if err := localpg.RemoveTemplate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// own prints the server's address, or why there is none.
func own(dir string) {
	s, err := localpg.Start(context.Background(), localpg.CheapOptions(dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.URL("postgres"))
	select {} // until killed
}
