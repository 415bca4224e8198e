package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const columns = `org_id, org_name, is_active, metadata, user_count, created_at, updated_at, ` +
	`created_by_api_key_id, created_by_user_id, external_id, revision`

const (
	firstPage = `select ` + columns + ` from orgs where account_id=$1 ` +
		`order by created_at desc, org_id desc limit $2`
	nextPage = `select ` + columns + ` from orgs where account_id=$1 and (created_at, org_id) < ($3,$4) ` +
		`order by created_at desc, org_id desc limit $2`
)

type handler struct {
	pool    *pgxpool.Pool
	account string
}

// ServeHTTP writes a page of organizations.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rows, limit, err := h.query(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	body, err := appendPage(make([]byte, 0, 32<<10), rows, limit)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client may be gone
}

// query reads one row more than the limit, which shows whether another page follows. It
// also returns the limit.
func (h handler) query(r *http.Request) (rows pgx.Rows, limit int, err error) {
	limit = 20
	q := r.URL.Query()
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil {
			return nil, 0, err
		}
	}
	c := q.Get("cursor")
	if c == "" {
		rows, err = h.pool.Query(r.Context(), firstPage, h.account, limit+1)
		return rows, limit, err
	}
	createdAt, id, err := decodeCursor(c)
	if err != nil {
		return nil, 0, err
	}
	rows, err = h.pool.Query(r.Context(), nextPage, h.account, limit+1, createdAt, id)
	return rows, limit, err
}

// A cursor is the creation time in microseconds since 1970 and the id of the last row of
// the previous page, in base64.
const cursorSize = 24

func encodeCursor(createdAt time.Time, id uuid) string {
	var b [cursorSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(createdAt.UnixMicro()))
	copy(b[8:], id[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func decodeCursor(s string) (createdAt time.Time, id uuid, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil && len(b) != cursorSize {
		err = errors.New("a cursor has 24 bytes")
	}
	if err != nil {
		return time.Time{}, uuid{}, err
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b))), uuid(b[8:]), nil
}
