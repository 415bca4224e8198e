package db

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectLimit bounds the time to connect to one host, until PostgreSQL is ready for a
// query, if the URL has no connect_timeout.
const connectLimit = 2 * time.Second

// parse parses a database URL as libpq does, with the parameters of pgxpool and of TCP
// (see dialer). Its errors contain no password.
func parse(url string, userTimeout time.Duration) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	dialer, err := newDialer(cfg.ConnConfig.RuntimeParams, userTimeout)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.DialFunc = dialer.dial
	// orgd sends text as UTF-8, whatever the role, the database or the URL sets.
	cfg.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectLimit
	}
	return cfg, nil
}

// urlForm matches the texts that CheckURL accepts. pgx would parse any other text, such
// as jdbc:…, as keywords and values.
var urlForm = regexp.MustCompile(`^(postgres|postgresql)://|^[a-z_]+ *=`)

// CheckURL returns an error if url, the value of the variable called name, cannot be the
// URL of orgd's database. The error contains no password.
func CheckURL(name, url string) error {
	if strings.TrimSpace(url) != url {
		return fmt.Errorf("%s begins or ends with a space or a line break: remove it", name)
	}
	cfg, err := pgxpool.ParseConfig(url)
	if unread, ok := errors.AsType[*fs.PathError](err); ok { // of a certificate or key
		return fmt.Errorf("%s names a file that cannot be read: %w", name, unread)
	}
	if err != nil || !urlForm.MatchString(url) {
		return fmt.Errorf("%s cannot be parsed as a PostgreSQL URL such as postgres://user:password@localhost:5432/orgd: check its parameters, and percent-encode special characters in the password", name)
	}
	switch mode := cfg.ConnConfig.DefaultQueryExecMode; mode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		return fmt.Errorf("%s sets default_query_exec_mode to %q; remove the setting: orgd needs PostgreSQL's binary format, and that mode does not use it", name, strings.ReplaceAll(mode.String(), " ", "_"))
	}
	_, err = parse(url, 0)
	return err
}

func nameApplication(params map[string]string, name string) {
	if params["application_name"] == "" {
		params["application_name"] = name
	}
}
