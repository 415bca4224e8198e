package http_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// begin sends the headers of a creation and the first part of its body.
func (a *api) begin(t *testing.T, declared int, sent string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(14 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "POST /v1/orgs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		a.key, declared, sent)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// readAnswer reads the answer to a POST.
func readAnswer(t *testing.T, conn net.Conn) answer {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodPost})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: body}
}

func TestBodyTimeout(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for name, sent := range map[string]string{"nothing": "", "all but the last byte": `{"orgName":"x"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := a.begin(t, len(`{"orgName":"x"}`), sent)
			readAnswer(t, conn).rejected(t, http.StatusRequestTimeout, "request_timeout")
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the connection is not closed: %v", err)
			}
		})
	}
}

// A body may arrive in several packets. The connection can be reused afterwards.
func TestBodyThatArrivesInPieces(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	body := `{"orgName":"in pieces"}`
	conn := a.begin(t, len(body), body[:5])
	for _, piece := range []string{body[5:9], body[9:]} {
		time.Sleep(50 * time.Millisecond)
		if _, err := io.WriteString(conn, piece); err != nil {
			t.Fatal(err)
		}
	}
	if got := readAnswer(t, conn); got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if _, err := fmt.Fprint(conn, "POST /v1/orgs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got := readAnswer(t, conn); got.status != http.StatusUnauthorized {
		t.Errorf("the next request on the connection: %d %s", got.status, got.body)
	}
}

func TestLargeBodyIsRejected(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	request := a.request(t, http.MethodGet, "/v1/orgs", bytes.NewReader(make([]byte, 1<<20+1)), "Authorization", "Bearer "+a.key)
	a.send(t, request).rejected(t, http.StatusRequestEntityTooLarge, "body_too_large")
	request = a.request(t, http.MethodGet, "/v1/orgs", bytes.NewReader(make([]byte, 1<<20)), "Authorization", "Bearer "+a.key)
	if got := a.send(t, request); got.status != http.StatusOK {
		t.Errorf("a body of 1 MiB: %d", got.status)
	}
}

// A client that waits for 100 Continue gets the answer without having sent the body.
func TestWithheldBodyIsNotAwaited(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	head := a.raw(t, "GET /livez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 200") || !strings.Contains(head, "Connection: close") {
		t.Errorf("the answer begins with %s", head)
	}
}

// The largest values that the field rules allow fit into a body, even if every character
// is escaped.
func TestLargestBody(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const emoji = `\ud83d\ude00` // as Python's json.dumps writes it
	var pairs []string
	for i := range 50 {
		pairs = append(pairs, fmt.Sprintf(`"%02d%s": "%s"`, i, strings.Repeat(emoji, 98), strings.Repeat(emoji, 1000)))
	}
	body := fmt.Sprintf(`{"orgName": "%s", "metadata": {%s}}`, strings.Repeat(emoji, 255), strings.Join(pairs, ", "))
	made := a.do(t, http.MethodPost, "/v1/orgs", body).organization(t, http.StatusCreated)
	if len(made.Metadata) != 50 || made.OrgName != strings.Repeat("😀", 255) {
		t.Errorf("%d pairs", len(made.Metadata))
	}
	got := a.do(t, http.MethodPatch, "/v1/orgs/"+made.OrgID, body)
	if changed := got.organization(t, http.StatusOK); len(changed.Metadata) != 50 {
		t.Errorf("%d pairs", len(changed.Metadata))
	}
}
