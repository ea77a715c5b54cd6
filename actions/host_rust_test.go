package actions

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCargoSettings(t *testing.T) {
	for _, c := range []struct {
		name, config string
		environ      []string
		index, fault string
		registries   map[string]string
		withheld     []string
	}{
		{name: "nothing"},
		{name: "mirror", config: "[source.crates-io]\nreplace-with = \"a\"\n[source.a]\nreplace-with = 'b'\n[source.b]\nregistry = \"sparse+https://mirror.example/x/\"\n",
			index: "sparse+https://mirror.example/x/"},
		{name: "password", config: "source.crates-io.replace-with = \"a\"\nsource.a.registry = \"sparse+https://me:secret@mirror.example/\"\n",
			index: "sparse+https://mirror.example/", withheld: []string{"mirror.example"}},
		{name: "ssh", config: "[registries.corp]\nindex = \"ssh://git@git.example/index\"\n[registries.odd]\nindex = \"ssh://git:pw@git.example/odd\"\n",
			registries: map[string]string{"corp": "ssh://git@git.example/index", "odd": "ssh://git@git.example/odd"}, withheld: []string{"git.example"}},
		{name: "environment", environ: []string{"CARGO_REGISTRIES_MY_CORP_INDEX=https://tok@corp.example/i", "CARGO_REGISTRIES_MY_CORP_TOKEN=x", "HOME=/"},
			registries: map[string]string{"my_corp": "https://corp.example/i", "my-corp": "https://corp.example/i"}, withheld: []string{"corp.example"}},
		{name: "directory", config: "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"/v\"\n", fault: "from a directory"},
		{name: "circle", config: "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\nreplace-with = \"v\"\n", fault: "by itself"},
		{name: "broken", config: "[source", fault: "can not be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := cargoSettings([]byte(c.config), c.environ)
			if s.Index != c.index || !maps.Equal(s.Registries, c.registries) || !slices.Equal(s.Withheld, c.withheld) {
				t.Errorf("settings = %+v", s)
			}
			if (s.Fault == "") != (c.fault == "") || !strings.Contains(s.Fault, c.fault) {
				t.Errorf("fault = %q, want %q", s.Fault, c.fault)
			}
		})
	}
}

func TestPipSettings(t *testing.T) {
	s := pipSettings(":env:.index-url='https://me:secret@a.example/simple'\n" +
		"download.extra-index-url='\\nhttps://b.example/x\\nhttps://c.example/y'\n" +
		"global.index-url='https://never.example/simple'\n" +
		"global.find-links='/opt/wheels https://d.example/links'\n" +
		"global.trusted-host=\"a.example\"\n" +
		"install.no-index='true'\n")
	want := PipSettings{
		Index: "https://a.example/simple", Extra: []string{"https://b.example/x", "https://c.example/y"},
		FindLinks: []string{"https://d.example/links"}, Trusted: []string{"a.example"}, Withheld: []string{"a.example"},
	}
	if s.Index != want.Index || !slices.Equal(s.Extra, want.Extra) || !slices.Equal(s.FindLinks, want.FindLinks) ||
		!slices.Equal(s.Trusted, want.Trusted) || !slices.Equal(s.Withheld, want.Withheld) || s.NoIndex {
		t.Errorf("settings = %+v, want %+v", s, want)
	}
	if !pipSettings("global.no-index='1'\n").NoIndex {
		t.Error("no-index was not seen")
	}
}

// The tools of this machine say what they are configured for, and what they use
// by themselves.
func TestToolsAnswer(t *testing.T) {
	t.Setenv("PIP_INDEX_URL", "https://u:p@pip.example/simple")
	t.Setenv("CARGO_HOME", t.TempDir())
	t.Setenv("CARGO_REGISTRIES_CORP_INDEX", "sparse+https://cargo.example/")
	t.Setenv("RUSTUP_DIST_SERVER", "https://a:b@rust.example")
	h := NewHost(nil)
	if p := h.Pip(); p.Index != "https://pip.example/simple" || !slices.Equal(p.Withheld, []string{"pip.example"}) {
		t.Errorf("pip: %+v", p)
	}
	if c := h.Cargo(); c.Registries["corp"] != "sparse+https://cargo.example/" {
		t.Errorf("cargo: %+v", c)
	}
	if r := h.Rustup(); r.DistServer != "https://rust.example" || len(r.Withheld) != 1 {
		t.Errorf("rustup: %+v", r)
	}
	for _, tool := range []string{"cargo", "pip"} {
		address := h.Default(tool)
		if host, port := hostPort(address); !publicName(host) || port != 443 {
			t.Errorf("the default of %s is %q", tool, address)
		}
	}
	if strings.Contains(h.Default("pip"), "pip.example") {
		t.Error("pip's configuration was taken for its default")
	}
	// A cargo that does not work is passed over.
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "cargo"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", broken+":"+path)
	if got := NewHost(nil).Default("cargo"); got != h.Default("cargo") {
		t.Errorf("behind a cargo that does not work: %q", got)
	}
	t.Setenv("PATH", path)
	// The index of crates is where cargo says it is.
	if _, err := h.Document(strings.TrimPrefix(h.Default("cargo"), "sparse+")+"config.json", "application/json"); err != nil {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	none := NewHost(nil)
	if none.Default("cargo") != "" || none.Default("pip") != "" || none.Default("rustup") != "" || none.Default("other") != "" {
		t.Error("a tool that is not there has a default")
	}
	if p := none.Pip(); p.Index != "https://pip.example/simple" {
		t.Errorf("without pip: %+v", p)
	}
}
