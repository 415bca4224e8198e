package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// attemptLimit is how long an endpoint may take to respond.
	attemptLimit = 15 * time.Second
	// connectLimit is how long the TCP connection may take, and how long the TLS handshake
	// may take after it.
	connectLimit = 5 * time.Second
	// maxResponse is how much of a response's header is read, and how much of its body.
	maxResponse = 64 << 10
	// drainLimit is how long the body of a response is read, so that the connection can be
	// reused. The body itself is ignored.
	drainLimit = time.Second
	// maxRetryAfter bounds how long an endpoint can postpone the next attempt.
	maxRetryAfter = time.Hour
)

// SenderConfig configures a Sender. Zero values mean the defaults.
type SenderConfig struct {
	Targets   Targets
	UserAgent string
	Timeout   time.Duration  // of an attempt; default attemptLimit
	Resolver  *net.Resolver  // default: the system's
	RootCAs   *x509.CertPool // default: the system's
}

// Sender sends events to endpoints. It follows no redirects, uses no proxy, and connects
// only to allowed addresses.
type Sender struct {
	targets   Targets
	userAgent string
	timeout   time.Duration
	transport *http.Transport
	roundTrip func(*http.Request) (*http.Response, error) // of the transport
}

// NewSender returns a sender.
func NewSender(c SenderConfig) *Sender {
	dialer := &net.Dialer{Timeout: connectLimit, Resolver: c.Resolver, Control: c.Targets.control}
	s := &Sender{targets: c.Targets, userAgent: c.UserAgent, timeout: c.Timeout, transport: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectLimit,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxResponse,
		DisableCompression:     true,
		// One connection for each request in flight: with HTTP/2, endpoints on one host
		// would share a connection and its failures.
		Protocols: new(http.Protocols),
	}}
	s.transport.Protocols.SetHTTP1(true)
	s.roundTrip = s.transport.RoundTrip
	if s.timeout == 0 {
		s.timeout = attemptLimit
	}
	return s
}

// Close closes the idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// request is an event to send.
type request struct {
	url     string
	secrets []Secret
	id      string
	body    []byte
}

// response is the result of an attempt.
type response struct {
	status     int // 0 without a response
	failure    Failure
	retryAfter time.Duration // the wait that the endpoint asks for, if any
}

// send makes one attempt. The endpoint must respond within the limit. An error means that
// ctx was canceled or that orgd has a defect. It says nothing about the endpoint.
func (s *Sender) send(ctx context.Context, limit time.Duration, r request) (response, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := s.newRequest(limited, r)
	if err != nil {
		return response{}, err
	}
	got, err := s.roundTrip(req)
	if err == nil {
		defer got.Body.Close()
	}
	switch {
	case ctx.Err() != nil:
		return response{}, ctx.Err()
	case err != nil:
		return response{failure: failureOf(err)}, nil
	case limited.Err() != nil:
		// The connection is being closed. A receiver that notices this may drop the event
		// although its server still responds with 200.
		return response{failure: FailedTimeout}, nil
	}
	// The body of a 101 response is the connection itself. No deadline or context ends a read
	// from it.
	if got.StatusCode >= http.StatusOK {
		drained := time.AfterFunc(drainLimit, cancel)
		defer drained.Stop()
		_, _ = io.CopyN(io.Discard, got.Body, maxResponse)
	}
	return response{status: got.StatusCode, failure: failureOfStatus(got.StatusCode), retryAfter: retryAfter(got)}, nil
}

func (s *Sender) newRequest(ctx context.Context, r request) (*http.Request, error) {
	now := time.Now()
	signature, err := sign(r.secrets, r.id, now, r.body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.userAgent)
	req.Header.Set(standardwebhooks.HeaderWebhookID, r.id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	// With this, net/http sends the request again if an idle connection turns out to be
	// closed. A header without values is not sent.
	req.Header["Idempotency-Key"] = nil
	return req, nil
}

func failureOfStatus(status int) Failure {
	switch {
	case status >= 200 && status < 300:
		return ""
	case status >= 300 && status < 400:
		return FailedRedirect
	case status == http.StatusGone:
		return FailedGone
	}
	return FailedStatus
}

func failureOf(err error) Failure {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.Is(err, errForbidden):
		return FailedAddress
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return FailedTimeout
	case errors.As(err, &name):
		return FailedName
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return FailedTLS
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "server response headers exceeded"):
		return FailedResponse
	}
	return FailedConnection
}

// retryAfter returns how long a response with 429 or 503 asks orgd to wait, at most
// maxRetryAfter, or 0. It ignores a Retry-After that is a date.
func retryAfter(r *http.Response) time.Duration {
	if r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	seconds, err := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}
