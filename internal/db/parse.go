package db

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// connectLimit bounds a connection to one host, from the dial to the first prompt,
// where the URL has no connect_timeout.
const connectLimit = 2 * time.Second

// parse reads the URL of a database as libpq does, with the parameters of pgxpool and
// of TCP (see dialer). Its errors hold no password.
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
	// Names are text in UTF-8, whatever the role, the database or the URL sets.
	cfg.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectLimit
	}
	return cfg, nil
}

// CheckURL returns an error if url cannot be read. Its text holds no password.
func CheckURL(url string) error {
	_, err := parse(url, 0)
	return err
}

func nameApplication(params map[string]string, name string) {
	if params["application_name"] == "" {
		params["application_name"] = name
	}
}
