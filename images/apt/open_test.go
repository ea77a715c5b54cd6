package apt

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ambient-ci/ambient/images/apt/apttest"
)

func TestReleaseCheck(t *testing.T) {
	now := time.Now()
	cases := []struct {
		name, role, asked string
		rel               release
		ok                bool
	}{
		{"codename", "bookworm", "bookworm", release{origin: "Debian", codename: "bookworm", suite: "oldstable"}, true},
		{"alias", "bookworm", "oldstable", release{origin: "Debian", codename: "bookworm", suite: "oldstable"}, true},
		{"updates", "bookworm-updates", "stable-updates", release{origin: "Debian", codename: "bookworm-updates", suite: "stable-updates"}, true},
		{"alias that moved on", "bookworm", "stable", release{origin: "Debian", codename: "trixie", suite: "stable"}, false},
		{"served in another's place", "bookworm", "stable", release{origin: "Debian", codename: "bookworm", suite: "oldstable"}, false},
		{"expired", "sid", "sid", release{origin: "Debian", codename: "sid", validUntil: now.Add(-time.Second)}, false},
		{"nameless", "bookworm", "bookworm", release{origin: "Debian"}, false},
	}
	for _, tc := range cases {
		if err := tc.rel.check(tc.role, tc.asked, false, now); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	old := release{origin: "Debian", codename: "sid", validUntil: now.Add(-time.Hour)}
	if err := old.check("sid", "sid", true, now); err != nil {
		t.Errorf("an entry that allows any date: %v", err)
	}
}

// TestOpenTriesEach has a host with several archives of a suite, of which only
// the last is Debian's and fresh.
func TestOpenTriesEach(t *testing.T) {
	key := apttest.Key(t)
	serve := func(change func(*apttest.Archive)) string {
		a := apttest.New(key)
		change(a)
		a.Serve(t)
		return a.URL
	}
	foreign := serve(func(a *apttest.Archive) { a.Origin = "Other" })
	stale := serve(func(a *apttest.Archive) { a.ValidUntil = time.Now().Add(-time.Hour) })
	gone := serve(func(a *apttest.Archive) { a.Codename = "trixie" })
	good := serve(func(*apttest.Archive) {})
	keyring := apttest.WriteKey(t, key)
	for _, tc := range []struct {
		name string
		urls []string
		want string // "" : none, and every reason is told
	}{
		{"a good one last", []string{foreign, stale, gone, good}, good},
		{"none", []string{foreign, stale, gone}, ""},
	} {
		list := ""
		for _, u := range tc.urls {
			list += "deb " + u + " bookworm main\n"
		}
		h := host(t, map[string]string{"etc/apt/sources.list": list, "etc/os-release": bookworm})
		c := testClient(t, keyring)
		c.host = h
		a, err := c.Open(context.Background(), "", "")
		if tc.want != "" {
			if err != nil || len(a.Sources) != 1 || len(a.Skipped) != 3 || a.Sources[0].URI != tc.want || a.Suite != "bookworm" {
				t.Errorf("%s: %+v, %v", tc.name, a, err)
			}
			continue
		}
		var none *NoArchiveError
		if !errors.As(err, &none) || len(none.Reasons) != 3 || none.Outage {
			t.Errorf("%s: %v", tc.name, err)
		}
		for _, want := range []string{"origin", "expired", "404"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", tc.name, want, err)
			}
		}
	}
}

// TestOpenWithOneSilent has an archive that does not answer: another may stand
// for it, but not for security updates.
func TestOpenWithOneSilent(t *testing.T) {
	key := apttest.Key(t)
	a := apttest.New(key)
	a.Serve(t)
	for suite, ok := range map[string]bool{"bookworm": true, "bookworm-security": false} {
		list := "deb " + a.URL + " bookworm main\ndeb http://127.0.0.1:1 " + suite + " main\n"
		h := host(t, map[string]string{"etc/apt/sources.list": list})
		c := testClient(t, apttest.WriteKey(t, key))
		c.host = h
		archive, err := c.Open(context.Background(), "bookworm", "")
		if ok && (err != nil || len(archive.Skipped) != 1) {
			t.Errorf("%s: %+v, %v", suite, archive, err)
		}
		var none *NoArchiveError
		if !ok && (!errors.As(err, &none) || !none.Outage || !strings.Contains(err.Error(), "127.0.0.1:1")) {
			t.Errorf("%s: %v", suite, err)
		}
	}
}

// TestOpenBySetting takes the address from the environment.
func TestOpenBySetting(t *testing.T) {
	key := apttest.Key(t)
	a := apttest.New(key)
	a.Serve(t)
	c := testClient(t, apttest.WriteKey(t, key))
	t.Setenv(EnvMirror, a.URL+"/")
	archive, err := c.Open(context.Background(), "bookworm", "")
	if err != nil || archive.Sources[0].URI != a.URL {
		t.Errorf("%+v, %v", archive, err)
	}
	if _, err := c.Open(context.Background(), "bookworm", "http://127.0.0.1:1"); err == nil {
		t.Error("the argument does not go before the setting")
	}
}
