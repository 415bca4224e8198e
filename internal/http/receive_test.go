package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// begin sends the head of a creation and the first part of its body.
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

// readAnswer reads one answer to a POST.
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
			readAnswer(t, conn).refused(t, http.StatusRequestTimeout, "request_timeout")
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the connection is not closed: %v", err)
			}
		})
	}
}

// A body may arrive in pieces, and its connection can be reused afterwards.
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
