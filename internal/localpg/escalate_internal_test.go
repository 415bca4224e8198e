package localpg

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestEscalateGoesOnUntilTheEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ignores string
		want    syscall.Signal
	}{
		{"USR1", syscall.SIGINT},
		{"INT", syscall.SIGQUIT},
		{"INT QUIT", syscall.SIGKILL},
	} {
		cmd := exec.Command("/bin/sh", "-c", "trap '' "+c.ignores+"; echo; exec sleep 600")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		p := startAs(t, nil, cmd)
		if _, err := out.Read(make([]byte, 1)); err != nil { // it ignores them from here on
			t.Fatal(err)
		}
		sent := 0
		got, err := escalate(p.cmd.Process, func(time.Duration) bool {
			last := signals[sent].signal
			sent++
			if last == c.want {
				<-p.done
			}
			return last == c.want
		})
		if got != c.want || err != nil {
			t.Errorf("ignoring %s: %v, %v; want %v", c.ignores, got, err, c.want)
		}
	}
}
