package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"orgd/internal/dbtest"
)

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	known := variables(kong.Must(&commandLine{}, kong.Name("server")).Model.Node)
	for name, c := range map[string]struct {
		environ []string
		want    []unknownVariable
	}{
		"none":         {[]string{"PATH=/bin", "ORGD_ADDR=:8080"}, nil},
		"misspelled":   {[]string{"ORGD_ADRR=:8080"}, []unknownVariable{{"ORGD_ADRR", "ORGD_ADDR"}}},
		"extra prefix": {[]string{"ORGD_DATABASE_URL=postgres://u:secret@h/d"}, []unknownVariable{{"ORGD_DATABASE_URL", "DATABASE_URL"}}},
		"missing part": {[]string{"ORGD_MAX_CONNS=5"}, []unknownVariable{{"ORGD_MAX_CONNS", "ORGD_DB_MAX_CONNS"}}},
		"two":          {[]string{"ORGD_RATELIMIT=5", "ORGD_DRAINDELAY=1s"}, []unknownVariable{{"ORGD_DRAINDELAY", "ORGD_DRAIN_DELAY"}, {"ORGD_RATELIMIT", "ORGD_RATE_LIMIT"}}},
		"in dev.env":   {[]string{"ORGD_URL=http://127.0.0.1", "ORGD_API_KEY=orgd_secret"}, nil},
		"in Compose":   {[]string{"ORGD_PORT=8080", "ORGD_IMAGE=orgd:local"}, nil},
		"other prefix": {[]string{"MY_ORGD_ADRR=x", "ORGDADDR=x"}, nil},
		"set by Kubernetes": {[]string{
			"ORGD_ADMIN_SERVICE_HOST=10.0.0.2", "ORGD_ADMIN_SERVICE_PORT=9090", "ORGD_ADMIN_PORT=tcp://10.0.0.2:9090",
			"ORGD_SERVICE_HOST=10.0.0.1", "ORGD_SERVICE_PORT_HTTP=80", "ORGD_PORT=tcp://10.0.0.1:80", "ORGD_PORT_80_TCP_ADDR=10.0.0.1",
		}, nil},
		"without a service of Kubernetes": {[]string{"ORGD_ADMIN_PORT=9090"}, []unknownVariable{{"ORGD_ADMIN_PORT", "ORGD_ADMIN_ADDR"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := unknownVariables(known, c.environ); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "adc", 1}, {"abc", "ac", 1}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		t.Run(fmt.Sprintf("%q and %q", c.a, c.b), func(t *testing.T) {
			t.Parallel()
			if got, back := edits(c.a, c.b), edits(c.b, c.a); got != c.want || back != c.want {
				t.Errorf("edits between %q and %q: %d and %d, want %d", c.a, c.b, got, back, c.want)
			}
		})
	}
}

// otherVariables are exactly the variables of docker-compose.yml and dev.env.
func TestOtherVariables(t *testing.T) {
	t.Parallel()
	text := string(readFile(t, "../../docker-compose.yml")) + string(readFile(t, "devdemo.go"))
	var found []string
	for _, m := range regexp.MustCompile(`\$\{(ORGD_\w+)|"(?:\\n)?(ORGD_\w+)=`).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1]+m[2])
	}
	slices.Sort(found)
	if want := slices.Sorted(slices.Values(otherVariables)); !slices.Equal(slices.Compact(found), want) {
		t.Errorf("found %v, want %v", found, want)
	}
}

// A warning names the unknown variable and the most similar known one, but not the value.
func TestUnknownVariablesAreReported(t *testing.T) {
	t.Parallel()
	misspelled := []string{"ORGD_ADRR=a-secret"}
	d := dbtest.New(t)
	const line = "server: warning: the environment variable ORGD_ADRR is unknown; did you mean ORGD_ADDR?\n"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a command":            {[]string{"migrate", "status", "--database-url=" + d.URL}, line},
		"a command that fails": {[]string{"migrate", "status", "--database-url="}, line},
		"healthcheck":          {[]string{"healthcheck", "--addr=127.0.0.1:1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startWith(t, misspelled, c.args...)
			_ = p.wait() // some commands fail, as expected
			if text := p.errs.String(); strings.Count(text, line) != strings.Count(c.want, "\n") || strings.Contains(text, "a-secret") {
				t.Errorf("printed %q, want %q", text, c.want)
			}
		})
	}
	p := startWith(t, append(misspelled, "DATABASE_URL="+d.URL), serveFlags...)
	await(t, "the server does not log the unknown variable", func() bool {
		return strings.Contains(p.out.String(), `"level":"WARN","msg":"unknown environment variable","variable":"ORGD_ADRR","nearest":"ORGD_ADDR"`)
	})
	if strings.Contains(p.out.String()+p.errs.String(), "a-secret") || strings.Contains(p.errs.String(), "ORGD_ADRR") {
		t.Errorf("logged %s, printed %s", p.out.String(), p.errs.String())
	}
}
