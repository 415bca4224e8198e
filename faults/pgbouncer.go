package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// pgbouncer is PgBouncer in transaction mode in front of the primary.
type pgbouncer struct {
	program string
	addr    string
	config  string
	old     bool           // this version does not support prepared statements
	halt    syscall.Signal // ends this version at once
	log     bytes.Buffer
	cmd     *exec.Cmd
	done    chan struct{}
}

func (s *stage) openPooler(ctx context.Context) error {
	program, err := exec.LookPath("pgbouncer")
	if err != nil { // Debian's location
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return fmt.Errorf("%w: PgBouncer is not installed", errNotPossible)
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	b := &pgbouncer{program: program, addr: fmt.Sprint("127.0.0.1:", port), config: filepath.Join(s.dir, "pgbouncer.ini")}
	version, err := output(ctx, program, "--version")
	if err != nil {
		return err
	}
	if err := b.adapt(version); err != nil {
		return err
	}
	if err := b.configure(s); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	s.pgbouncer = b
	s.onTearDown(b.stop)
	return nil
}

// adapt adapts to the version that `pgbouncer --version` printed.
func (b *pgbouncer) adapt(version string) error {
	var major, minor int
	if _, err := fmt.Sscanf(strings.TrimPrefix(version, "PgBouncer "), "%d.%d", &major, &minor); err != nil {
		return fmt.Errorf("parse the version of PgBouncer in %q: %w", version, err)
	}
	b.old = major == 1 && minor < 21
	// Since 1.23, PgBouncer waits for its clients after SIGTERM. Earlier versions have no
	// handler for SIGQUIT, so that signal could make them dump core.
	b.halt = syscall.SIGQUIT
	if major == 1 && minor < 23 {
		b.halt = syscall.SIGTERM
	}
	return nil
}

// configure writes the configuration files. If we are root, PgBouncer runs as an
// unprivileged user, which must be able to read them.
func (b *pgbouncer) configure(s *stage) error {
	host, port, err := net.SplitHostPort(s.primary.addr())
	if err != nil {
		return err
	}
	_, ours, err := net.SplitHostPort(b.addr)
	if err != nil {
		return err
	}
	users := filepath.Join(s.dir, "users")
	prepared := "max_prepared_statements = 200"
	if b.old {
		prepared = ""
	}
	config := fmt.Sprintf(`[databases]
%s = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
pool_mode = transaction
default_pool_size = 10
auth_type = trust
auth_file = %s
server_login_retry = 1
%s
`, database, host, port, ours, users, prepared)
	return errors.Join(
		os.WriteFile(b.config, []byte(config), 0o644),
		os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", server, password), 0o644),
	)
}

func (b *pgbouncer) start(ctx context.Context) error {
	b.cmd = exec.Command(b.program, b.config)
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 { // PgBouncer refuses to run as root
		b.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	b.done = done
	go func() {
		_ = b.cmd.Wait() // stop ends it with a signal
		close(done)
	}()
	return await(ctx, "PgBouncer answers", 10*time.Second, func() (bool, error) {
		select {
		case <-done:
			return false, fmt.Errorf("PgBouncer exited: %s", b.log.String())
		default:
		}
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			return false, nil
		}
		return true, conn.Close()
	})
}

// stop ends PgBouncer and all its connections. It returns an error if PgBouncer had to be
// killed.
func (b *pgbouncer) stop() error {
	if err := b.cmd.Process.Signal(b.halt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	const limit = 5 * time.Second
	select {
	case <-b.done:
		return nil
	case <-time.After(limit):
	}
	err := b.cmd.Process.Kill()
	<-b.done
	return errors.Join(fmt.Errorf("PgBouncer did not stop within %v:\n%s", limit, b.log.String()), err)
}

// env returns the environment of a replica behind PgBouncer.
func (b *pgbouncer) env(direct string) []string {
	env := []string{"ORGD_DB_DIRECT_URL=" + direct}
	if b.old {
		env = append(env, "ORGD_DB_EXEC_MODE=described")
	}
	return env
}
