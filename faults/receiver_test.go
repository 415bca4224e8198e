package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The receiver reports events that are lost, invented, in the wrong order, changed or not
// signed, and nothing if nothing is wrong.
func TestReceiverDetectsBrokenPromises(t *testing.T) {
	t.Parallel()
	all := []feedEvent{
		{1, "webhook.created", "r1", ""},
		{2, "org.created", "r2", "org_a"},
		{3, "org.member_added", "r3", "org_a"},
		{4, "org.updated", "r4", "org_a"},
		{5, "org.member_removed", "r5", "org_a"},
	}
	other := []feedEvent{3: {3, "org.deleted", "x3", "org_b"}, 4: {4, "org.deleted", "x4", "org_b"}, 5: {5, "org.deleted", "x5", "org_b"}}
	const notThere, disordered = "which is not in the database", "1 events first arrived after later events"
	for name, c := range map[string]struct {
		got       []feedEvent
		badSecret bool
		mayRewind bool
		want      string // "" for nothing
	}{
		"nothing is wrong":              {got: []feedEvent{all[1], all[3], all[4]}},
		"events come again":             {got: []feedEvent{all[1], all[3], all[1], all[3], all[4], all[3]}},
		"a fault undoes events":         {got: []feedEvent{all[1], other[4], other[5], all[3], all[4]}, mayRewind: true},
		"nothing should undo events":    {got: []feedEvent{all[1], other[4], other[5], all[3], all[4]}, want: disordered},
		"a fault renumbers events":      {got: []feedEvent{all[1], renumbered(all[3], 3), renumbered(all[4], 4), all[3], all[4]}, mayRewind: true},
		"renumbered, another one first": {got: []feedEvent{all[1], renumbered(all[4], 3), all[3], all[4]}, mayRewind: true},
		"undone, and nothing after it":  {got: []feedEvent{all[1], all[3], all[4], {6, "org.deleted", "x6", "org_b"}}, mayRewind: true},
		"an old position stays":         {got: []feedEvent{all[1], all[3], all[4], {6, "org.updated", "r4", "org_a"}}, mayRewind: true, want: "did not arrive"},
		"nothing renumbers events":      {got: []feedEvent{all[1], renumbered(all[3], 3), all[3], all[4]}, want: disordered},
		"an event is lost":              {got: []feedEvent{all[1], all[4]}, want: "{Position:4 Type:org.updated RequestID:r4 OrgID:org_a} did not arrive"},
		"an event is lost after others": {got: []feedEvent{all[1], other[4], all[4]}, mayRewind: true, want: "RequestID:r4 OrgID:org_a} did not arrive"},
		"two events are swapped":        {got: []feedEvent{all[1], all[4], all[3], all[4]}, want: disordered},
		"an event is invented":          {got: []feedEvent{all[1], other[3], all[3], all[4]}, want: notThere},
		"an event of another type":      {got: []feedEvent{all[1], all[2], all[3], all[4]}, want: notThere},
		"an event before the webhook":   {got: []feedEvent{all[0], all[1], all[3], all[4]}, want: notThere},
		"an event changes":              {got: []feedEvent{all[1], {2, "org.created", "r2", "org_b"}, all[3], all[4]}, want: "with the id of"},
		"a signature is wrong":          {got: []feedEvent{all[1], all[3], all[4]}, badSecret: true, want: standardwebhooks.ErrNoMatchingSignature.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newTestReceiver(t)
			signer := v.webhook
			if c.badSecret {
				signer = webhookOf(t, "whsec_b3RoZXIgc2VjcmV0")
			}
			for _, e := range c.got {
				v.post(t, signer, e)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			found := strings.Join(v.check(ctx, all, c.mayRewind), "\n")
			if !strings.Contains(found, c.want) || c.want == "" && found != "" {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

func renumbered(e feedEvent, position int64) feedEvent {
	e.Position = position
	return e
}

// A moody receiver sometimes fails. It keeps no event to which it responds with an error.
func TestReceiverFails(t *testing.T) {
	t.Parallel()
	v := newTestReceiver(t)
	v.moody = true
	const sent = 10_000
	statuses := map[int]int{}
	for i := range sent {
		before := len(v.seen)
		status := v.post(t, v.webhook, feedEvent{int64(i) + 2, "org.created", strconv.Itoa(i), "org_a"})
		statuses[status]++
		if kept := len(v.seen) > before; status != 0 && kept != (status == http.StatusNoContent) {
			t.Fatalf("the response was %d, kept: %t", status, kept)
		}
	}
	if statuses[http.StatusInternalServerError] == 0 || statuses[0] == 0 || statuses[http.StatusNoContent] < sent*9/10 {
		t.Errorf("responses: %v", statuses)
	}
}

func newTestReceiver(t *testing.T) *receiver {
	t.Helper()
	return &receiver{byID: map[string]feedEvent{}, after: 1, webhook: webhookOf(t, "whsec_b3VyIHNlY3JldA==")}
}

func webhookOf(t *testing.T, secret string) *standardwebhooks.Webhook {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return webhook
}

// post sends an event. It returns the status, or 0 if the receiver drops the connection.
func (v *receiver) post(t *testing.T, signer *standardwebhooks.Webhook, e feedEvent) (status int) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"type": e.Type, "data": map[string]any{
		"eventId": "evt_" + e.RequestID, "position": e.Position, "type": e.Type, "requestId": e.RequestID, "orgId": e.OrgID,
	}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := signer.Sign("msg", now, body)
	if err != nil {
		t.Fatal(err)
	}
	asked := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hook", bytes.NewReader(body))
	asked.Header.Set(standardwebhooks.HeaderWebhookID, "msg")
	asked.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	asked.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	answer := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	v.ServeHTTP(answer, asked)
	return answer.Code
}
