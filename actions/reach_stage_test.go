package actions

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/config"
)

func TestHTTPGetReach(t *testing.T) {
	got := reached(t, "http_get", config.Args{Blocks: map[string][]config.Args{"file": {
		{Values: map[string]any{"url": "https://Files.Example/a"}}, {Values: map[string]any{"url": "http://10.0.2.2:8080/b"}}, {Values: map[string]any{"url": "https://files.example:443/c"}},
	}}}, FixedHost{}, nil)
	if want := []string{"10.0.2.2:8080", "files.example:443"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDebGetReach(t *testing.T) {
	host := FixedHost{Archives: []DebianSource{{URI: "http://deb.example/debian"}, {URI: "https://sec.example/x"}}}
	got := reached(t, "deb_get", config.Args{Values: map[string]any{"packages": []string{"hello"}}}, host, nil)
	if want := []string{"deb.example:80", "sec.example:443"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGoReach(t *testing.T) {
	tree := mapTree{
		"go.mod": "module me.example/x\n\nrequire one.example/a v1.0.0\n\nrequire (\n\tgit.corp.example/b/c v1.2.3 // indirect\n\tlocalhost/d v1.0.0\n)\n",
		"go.sum": "two.example/e v1.0.0 h1:x=\ngit.corp.example/b/c v1.2.3/go.mod h1:y=\n127.0.0.1/f v1.0.0 h1:z=\n",
	}
	for _, test := range []struct {
		what     string
		settings GoSettings
		want     string
	}{
		{"a proxy", GoSettings{Proxy: "https://proxy.example,direct", SumDB: "sum.example"}, "proxy.example:443 sum.example:443"},
		{"several", GoSettings{Proxy: "https://a.example|http://b.example:8080/go,off", SumDB: "sum.example+033de0ae+Ac4z"}, "a.example:443 b.example:8080 sum.example:443"},
		{"the database elsewhere", GoSettings{Proxy: "https://a.example", SumDB: "sum.example+033de0ae+Ac4z https://mirror.example/db"}, "a.example:443 mirror.example:443"},
		{"off", GoSettings{Proxy: "off", SumDB: "off"}, ""},
		{"private modules", GoSettings{Proxy: "https://a.example,direct", SumDB: "off", Private: "git.corp.example,*.other.example"}, "a.example:443 git.corp.example:443"},
		{"no proxy for some", GoSettings{Proxy: "https://a.example,direct", SumDB: "off", Private: "git.corp.example", NoProxy: "two.example"}, "a.example:443 two.example:443"},
		{"no proxy", GoSettings{Proxy: "direct", SumDB: "off"}, "git.corp.example:443 one.example:443 two.example:443"},
	} {
		got := strings.Join(reached(t, "go_mod_download", config.Args{}, FixedHost{GoSettings: test.settings}, tree), " ")
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.what, got, test.want)
		}
	}
}

// What several actions need is there once, and an error does not hide the rest.
func TestStageReach(t *testing.T) {
	get := func(url string) *config.Action {
		return &config.Action{Name: "http_get", Args: config.Args{Values: map[string]any{"url": url}}}
	}
	stage := &config.Stage{Actions: []*config.Action{get("https://a.example/1"), {Name: "deb_get"}, {Name: "shell"}, get("https://a.example/2"), get("http://b.example/3")}}
	all, err := StageReach(stage, FixedHost{}, nil)
	if err == nil || !strings.Contains(err.Error(), "deb_get") || fmt.Sprint(len(all)) != "2" || all[0].By != "http_get" {
		t.Errorf("got %+v, %v", all, err)
	}
}
