package localpg_test

import "testing"

func TestServerGoesDownWithItsOwner(t *testing.T) {
	t.Parallel()
	dir := serverDir(t)
	o := startOwner(t, dir)
	o.url(t)
	pid := postmaster(t, dir)
	o.kill()
	until(t, "the server's end", func() bool {
		state := stateOf(t, pid)
		return state == "" || state[0] == 'Z'
	})
}
