package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orgd/internal/db"
	"orgd/migrations"
)

// authority is a certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := sign(t, template, template, key, key)
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key, writePEM(t, "CERTIFICATE", der)}
}

// issue issues a certificate for a host or a role. It returns the paths of the
// certificate and its key.
func (a authority) issue(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	own := newKey(t)
	der := sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, own, a.key)
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", private)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, own, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &own.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, kind string, der []byte) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// encrypt makes PostgreSQL use TLS, with a certificate for localhost. The role
// "encrypted" authenticates with a password, and "certified" with a certificate of the
// authority. Neither may connect without TLS.
func (p *postgres) encrypt(t *testing.T, ca authority) {
	t.Helper()
	certificate, key := ca.issue(t, "localhost")
	p.install(t, "server.crt", readFile(t, certificate))
	p.install(t, "server.key", readFile(t, key))
	p.install(t, "ca.crt", readFile(t, ca.file))
	p.install(t, "pg_hba.conf", []byte("hostssl all encrypted 127.0.0.1/32 scram-sha-256\nhostssl all certified 127.0.0.1/32 cert\nhostnossl all orgd 127.0.0.1/32 scram-sha-256\n"))
	for _, sql := range []string{
		"CREATE ROLE encrypted SUPERUSER LOGIN PASSWORD 'secret'", "CREATE ROLE certified SUPERUSER LOGIN",
		"ALTER SYSTEM SET ssl = on", "ALTER SYSTEM SET ssl_ca_file = 'ca.crt'", "SELECT pg_reload_conf()",
	} {
		mustExec(t, p.server.URL("postgres"), sql)
	}
	await(t, "PostgreSQL does not speak TLS", func() bool {
		return execAs(p.tlsURL(t, "postgres", "encrypted", "localhost", "require"), "SELECT 1") == nil
	})
}

// install writes a file into the data directory. The file belongs to PostgreSQL's user.
func (p *postgres) install(t *testing.T, name string, text []byte) {
	t.Helper()
	dir := p.dataDir(t)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	file := filepath.Join(dir, name)
	if err := errors.Join(os.WriteFile(file, text, 0o600), os.Chown(file, int(owner.Uid), int(owner.Gid))); err != nil {
		t.Fatal(err)
	}
}

// tlsURL returns the URL of a database for a role. params are pairs of a name and a
// value.
func (p *postgres) tlsURL(t *testing.T, database, role, host, mode string, params ...string) string {
	t.Helper()
	u := mustParse(t, p.server.URL(database))
	u.User = url.UserPassword(role, "secret")
	u.Host = host + ":" + u.Port()
	query := url.Values{"sslmode": {mode}}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// The pool, the listener and the migrations connect as sslmode requires, or report in one
// line why they cannot.
func TestTLS(t *testing.T) {
	t.Parallel()
	p := startPostgres(t)
	ca, otherCA := newAuthority(t), newAuthority(t)
	p.encrypt(t, ca)
	if err := createDatabase(context.Background(), p.server.URL("postgres"), "orgd"); err != nil {
		t.Fatal(err)
	}
	certificate, key := ca.issue(t, "certified")
	foreign, foreignKey := otherCA.issue(t, "certified")
	// The client may have begun to send when PostgreSQL rejects its certificate, and may
	// then not receive the reason.
	const cut = "failed to connect"
	const unencrypted, unknown, otherName = "no encryption", "certificate signed by unknown authority", "cannot validate certificate for 127.0.0.1"
	for _, c := range []struct {
		role, host, mode string
		params           []string
		reason           string // part of the reason; empty if the connection succeeds
	}{
		{role: "encrypted", host: "127.0.0.1", mode: "disable", reason: unencrypted},
		{role: "encrypted", host: "127.0.0.1", mode: "prefer"},
		{role: "encrypted", host: "127.0.0.1", mode: "require"},
		{role: "encrypted", host: "127.0.0.1", mode: "require", params: []string{"sslrootcert", ca.file}},
		{role: "encrypted", host: "127.0.0.1", mode: "require", params: []string{"sslrootcert", otherCA.file}, reason: unknown},
		{role: "encrypted", host: "127.0.0.1", mode: "verify-ca", params: []string{"sslrootcert", ca.file}},
		{role: "encrypted", host: "127.0.0.1", mode: "verify-ca", params: []string{"sslrootcert", otherCA.file}, reason: unknown},
		{role: "encrypted", host: "127.0.0.1", mode: "verify-ca", reason: unknown},
		{role: "encrypted", host: "localhost", mode: "verify-full", params: []string{"sslrootcert", ca.file}},
		{role: "encrypted", host: "localhost", mode: "verify-full", params: []string{"sslrootcert", otherCA.file}, reason: unknown},
		{role: "encrypted", host: "127.0.0.1", mode: "verify-full", params: []string{"sslrootcert", ca.file}, reason: otherName},
		{role: "certified", host: "localhost", mode: "verify-full", params: []string{"sslrootcert", ca.file, "sslcert", certificate, "sslkey", key}},
		{role: "certified", host: "localhost", mode: "verify-full", params: []string{"sslrootcert", ca.file}, reason: "requires a valid client certificate"},
		{role: "certified", host: "localhost", mode: "verify-full", params: []string{"sslrootcert", ca.file, "sslcert", foreign, "sslkey", foreignKey}, reason: cut},
	} {
		t.Run(fmt.Sprint(c.role, " ", c.host, " ", c.mode, " ", len(c.params), " ", c.reason), func(t *testing.T) {
			t.Parallel()
			at := p.tlsURL(t, "orgd", c.role, c.host, c.mode, c.params...)
			for name, err := range map[string]error{"pool": ping(t, at), "listener": listenOnce(t, at), "migrations": migrateOnce(at)} {
				checkReason(t, name, err, c.reason)
			}
			code, _, errs := run(t, "migrate", "status", "--database-url="+at)
			if (code == 0) != (c.reason == "") || c.reason != "" && strings.Count(errs, "\n") != 1 {
				t.Errorf("migrate status: exit %d, %s", code, errs)
			}
			s := start(t, func(cfg *serveConfig) { cfg.databaseURL = at })
			if c.reason == "" {
				awaitStatus(t, s.url+"/readyz", http.StatusOK)
				s.awaitLog(t, hearing, 1)
				return
			}
			s.awaitLog(t, c.reason, 2) // the pool and the listener
			awaitStatus(t, s.url+"/readyz", http.StatusServiceUnavailable)
		})
	}
}

func ping(t *testing.T, url string) error {
	t.Helper()
	pool, err := db.Open(context.Background(), url, db.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	return pool.Read(context.Background(), func(ctx context.Context, q db.Querier) error {
		_, err := q.Exec(ctx, "SELECT 1")
		return err
	})
}

func listenOnce(t *testing.T, url string) (err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := db.Listener{URL: url, Began: cancel, Lost: func(lost error) { err = lost; cancel() }}.Run(ctx)
	if failed != nil {
		t.Fatal(failed)
	}
	return err
}

func migrateOnce(url string) error {
	_, err := db.MigrateUp(context.Background(), url, migrations.FS)
	return err
}

func checkReason(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err == nil:
	case want == "" || err == nil:
		t.Errorf("%s: %v, want %q", name, err, want)
	case !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret"):
		t.Errorf("%s: %q, want a line with %q", name, err.Error(), want)
	}
}
