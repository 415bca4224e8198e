// Command consumer keeps a copy of an account's organizations and their members in
// copy.json.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"time"
)

type account struct {
	Cursor string
	Orgs   map[string]*org
}

type org struct {
	OrgID, OrgName, CreatedByAPIKeyID string
	ExternalID, CreatedByUserID       *string         // null removes the value
	Metadata                          json.RawMessage // always the whole map
	IsActive                          bool
	Revision, UserCount               int
	CreatedAt, UpdatedAt              time.Time
	Members                           map[time.Time]*member // by AddedAt
}

type member struct {
	UserID  string
	Roles   []string
	AddedAt time.Time
}

type event struct {
	Type, OrgID, UserID, ActorAPIKeyID string
	ActorUserID                        *string
	OccurredAt                         time.Time
	Before                             struct{ AddedAt time.Time }
	After                              json.RawMessage
}

type page struct {
	HasMore       bool
	Cursor        string
	Events        []event
	Organizations []*org
	Users         []*member
}

func main() {
	var a account
	text, err := os.ReadFile("copy.json")
	if err == nil {
		must(json.Unmarshal(text, &a))
	} else if errors.Is(err, fs.ErrNotExist) {
		a = begin()
	} else {
		log.Fatal(err)
	}
	for {
		a.save()
		p, status := get("/v1/events?limit=100&wait=25&cursor=" + a.Cursor)
		if status == http.StatusGone {
			a = begin()
			continue
		}
		for _, e := range p.Events {
			a.apply(e)
		}
		a.Cursor = p.Cursor
	}
}

// save writes the copy and the cursor that it belongs to together, or not at all.
func (a account) save() {
	text, err := json.Marshal(a)
	must(err)
	f, err := os.Create("copy.json.new")
	must(err)
	_, err = f.Write(text)
	must(errors.Join(err, f.Sync(), f.Close()))
	must(os.Rename("copy.json.new", "copy.json"))
}

func begin() account {
	log.Print("reading the lists")
	now, _ := get("/v1/events?cursor=now") // before the lists, so nothing is missed
	a := account{now.Cursor, map[string]*org{}}
	for p := range pages("/v1/orgs?limit=100") {
		for _, o := range p.Organizations {
			o.Members = map[time.Time]*member{}
			a.Orgs[o.OrgID] = o
		}
	}
	for id, o := range a.Orgs {
		for p := range pages("/v1/orgs/" + id + "/users?limit=100") {
			for _, m := range p.Users {
				o.Members[m.AddedAt] = m
			}
		}
	}
	return a
}

func (a account) apply(e event) {
	o := a.Orgs[e.OrgID]
	if o == nil && (e.Type == "org.created" || e.Type == "org.imported") {
		o = &org{OrgID: e.OrgID, IsActive: true, Members: map[time.Time]*member{}, CreatedByAPIKeyID: e.ActorAPIKeyID}
		must(json.Unmarshal(e.After, o))
		if o.CreatedAt.IsZero() {
			o.CreatedAt, o.CreatedByUserID = e.OccurredAt, e.ActorUserID
		} else if e.UserID != "" { // imported
			o.CreatedByUserID = &e.UserID
		}
		if o.OrgName != "" { // no name: it has been deleted since
			a.Orgs[e.OrgID] = o
		}
	}
	if o == nil || !e.OccurredAt.After(o.UpdatedAt) {
		return
	}
	o.UpdatedAt = e.OccurredAt
	switch e.Type {
	case "org.created", "org.imported", "org.updated", "org.deactivated", "org.reactivated":
		must(json.Unmarshal(e.After, o))
		o.Revision++
	case "org.member_added", "org.member_imported":
		m := &member{UserID: e.UserID, AddedAt: e.OccurredAt}
		must(json.Unmarshal(e.After, m)) // the addedAt of an imported member
		o.Members[m.AddedAt] = m
	case "org.member_updated":
		if m := o.Members[e.Before.AddedAt]; m != nil {
			must(json.Unmarshal(e.After, m))
		}
	case "org.member_removed", "org.user_erased":
		delete(o.Members, e.Before.AddedAt)
		must(json.Unmarshal(e.After, o))
	case "org.deleted":
		delete(a.Orgs, e.OrgID)
	}
	o.UserCount = len(o.Members)
}

func pages(path string) func(yield func(page) bool) {
	return func(yield func(page) bool) {
		p, _ := get(path) // an empty page after a 404: the organization has been deleted
		for yield(p) && p.HasMore {
			p, _ = get(path + "&cursor=" + p.Cursor)
		}
	}
}

var client = http.Client{Timeout: time.Minute}

// get repeats a request until it succeeds. After a 404 or 410 it returns an empty page,
// because the callers handle these.
func get(path string) (p page, status int) {
	for ; ; time.Sleep(time.Second) {
		request, err := http.NewRequest(http.MethodGet, os.Getenv("ORGD_URL")+path, nil)
		must(err)
		request.Header.Set("Authorization", "Bearer "+os.Getenv("ORGD_API_KEY"))
		response, err := client.Do(request)
		if err != nil {
			log.Print(err)
			continue
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		switch status = response.StatusCode; {
		case status == http.StatusNotFound || status == http.StatusGone:
			return page{}, status
		case status == http.StatusOK && err == nil && json.Unmarshal(text, &p) == nil:
			return p, status
		}
		log.Printf("%s: %d %s", path, status, text)
		if err != nil {
			log.Print(err)
		}
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
