package localpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bindTries is how many ports are tried: between the choice of a free port and its
// use, someone else may take it.
const bindTries = 5

// serve starts postgres on a port that nextPort returns.
func (s *Server) serve(ctx context.Context, programs string, settings map[string]string, nextPort func() (int, error)) error {
	for tries := 1; ; tries++ {
		port, err := nextPort()
		if err != nil {
			return err
		}
		err = s.launch(ctx, filepath.Join(programs, "postgres"), s.arguments(settings, port))
		// It speaks English: see environment, and initdb's --locale.
		switch {
		case err == nil:
			return s.settleOn(port)
		case strings.Contains(err.Error(), "could not bind") && tries < bindTries:
		case strings.Contains(err.Error(), "pre-existing shared memory block"):
			// The last children of a postmaster that was killed are about to notice.
		default:
			return err
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// settleOn notes the port for the next run.
func (s *Server) settleOn(port int) error {
	s.port = port
	if err := s.place.writeFile(portFile, strconv.Itoa(port)); err != nil {
		return errors.Join(err, s.process.end())
	}
	return nil
}

func (s *Server) arguments(settings map[string]string, port int) []string {
	args := []string{"-D", s.place.dataDir()}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	// Some distributions have it on by default; the log is to be where we look for it.
	set("logging_collector", "off")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		set(name, settings[name])
	}
	// The last one counts.
	set("listen_addresses", loopback)
	set("port", strconv.Itoa(port))
	set("unix_socket_directories", "")
	return args
}

// launch starts postgres and waits until it accepts connections.
func (s *Server) launch(ctx context.Context, postgres string, args []string) error {
	from, err := size(s.log)
	if err != nil {
		return err
	}
	cmd := exec.Command(postgres, args...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	s.process, err = startProcess(cmd, s.place.owner, signals[0].signal)
	if err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		return withTail(err, s.log, from)
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	for {
		status, err := s.place.readPIDFile()
		if err != nil {
			return errors.Join(err, s.process.end())
		}
		if status.pid == s.process.pid() && status.ready {
			return nil
		}
		select {
		case <-s.process.done:
			return fmt.Errorf("postgres ended by itself: %v", s.process.state())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for postgres: %w", context.Cause(ctx)), s.process.end())
		case <-time.After(poll):
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// isOff reads a boolean setting as PostgreSQL does; what is no boolean, PostgreSQL
// will complain of.
func isOff(value string) bool {
	switch strings.ToLower(value) {
	case "off", "false", "no", "0":
		return true
	}
	return false
}
