package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// hangLimit is how long a client waits: the server's deadline for a request (10 s) plus a
// margin for a busy machine. An attempt that reaches it has hung.
const hangLimit = 14 * time.Second

var errHung = errors.New("no answer within " + hangLimit.String())

// client sends one request at a time on a persistent connection.
type client struct {
	http http.Client
	key  string
}

func newClient(key string) *client {
	return &client{key: key, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}
}

// request is the HTTP request of an attempt.
type request struct {
	method, url, body string
	header            map[string]string
}

// send sends r and fills in the answer.
func (c *client) send(ctx context.Context, r request, a *attempt) {
	limited, cancel := context.WithTimeoutCause(ctx, hangLimit, errHung)
	defer cancel()
	a.start = time.Now()
	defer func() { a.end = time.Now() }()
	sent, err := http.NewRequestWithContext(limited, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		a.err = err
		return
	}
	// Without GetBody, net/http does not retry the request itself.
	sent.GetBody = nil
	if r.body != "" {
		sent.Header.Set("Content-Type", "application/json")
	}
	sent.Header.Set("Authorization", "Bearer "+c.key)
	sent.Header.Set("X-Request-Id", a.requestID)
	for name, value := range r.header {
		sent.Header.Set(name, value)
	}
	answer, err := c.http.Do(sent)
	if err != nil {
		a.err = err
		if cause := context.Cause(limited); errors.Is(cause, errHung) {
			a.err = cause
		}
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		a.err = err
		return
	}
	a.readAnswer(answer, body)
}

// readAnswer records what the checks need, and checks the answer against the rules for
// all answers (docs/api.md, Errors).
func (a *attempt) readAnswer(answer *http.Response, body []byte) {
	a.status = answer.StatusCode
	a.replayed = answer.Header.Get("Idempotency-Replayed") == "true"
	if len(body) == 0 && (a.status == http.StatusNoContent || a.status == http.StatusAccepted) {
		return
	}
	var problem struct { // or the body of a success
		OrgID, Code, Type, Title, Detail, Message, RequestID string
		Status                                               int
		Organizations                                        []struct{ OrgID string }
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		a.flaw = fmt.Sprintf("the body is not JSON: %.200q", body)
		return
	}
	a.orgID, a.code = problem.OrgID, problem.Code
	for _, o := range problem.Organizations {
		a.listed = append(a.listed, o.OrgID)
	}
	if a.succeeded() {
		return
	}
	switch {
	case answer.Header.Get("Content-Type") != "application/problem+json",
		problem.Status != a.status, problem.Type != "/problems/"+problem.Code, problem.Title == "", problem.Detail == "",
		problem.Message != problem.Detail, problem.RequestID != a.requestID:
		a.flaw = fmt.Sprintf("not a problem document: %s %.300s", answer.Header.Get("Content-Type"), body)
	case isRetryable(a.status, a.code):
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		if err != nil || seconds < 1 || seconds > 60 {
			a.flaw = fmt.Sprintf("Retry-After is %q", answer.Header.Get("Retry-After"))
		}
	}
}

// isRetryable reports whether the answer tells the client to retry later.
func isRetryable(status int, code string) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests ||
		status == http.StatusConflict && code == "idempotency_in_progress"
}
