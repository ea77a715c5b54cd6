//go:build vm

package actions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ambient-ci/ambient/internal/vmtest"
)

// toolsImage is that of examples/rust-and-pytest, so that tests build one.
const toolsImage = `
image "tools" {
  debian {
    suite = "bookworm"
    packages = [
      "cargo-web", "python3-pip", "python3-venv", "rust-web-clippy", "rustc-web", "rustfmt-web",
    ]
  }
}
`

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A locked crate and a Python package are fetched from the registries of this
// machine and used without a network. What was compiled is compiled again when
// its source changes, though the cache is kept.
func TestVMRustAndPython(t *testing.T) {
	dir, env := t.TempDir(), vmtest.Env(t)
	write(t, dir, map[string]string{
		"ambient.hcl": toolsImage + `
project "tiny" {
  image = image.tools
  pre "crates" {
    action "cargo_fetch" {}
  }
  pre "wheels" {
    action "pip_get" { project = "." }
  }
  plan "rust" {
    action "cargo_build" {}
    action "cargo_doc" { output = "doc" }
    action "shell" { script = "! touch /ci/deps/cargo/x 2>/dev/null || rm /ci/deps/cargo/x; cargo metadata --locked --format-version=1 >/dev/null" }
  }
  plan "python" {
    action "pip_install" { project = "." }
    action "shell" { script = "tiny" }
    action "pip_install" { packages = ["six==1.17.0"] }
  }
}
`,
		"Cargo.toml":     "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nitoa = \"=1.0.11\"\n",
		"src/lib.rs":     "//! Tiny.\n\n/// Prints.\npub fn show(n: u32) -> String {\n    itoa::Buffer::new().format(n).to_string()\n}\n",
		"pyproject.toml": "[build-system]\nrequires = [\"setuptools==75.8.0\"]\nbuild-backend = \"setuptools.build_meta\"\n\n[project]\nname = \"tiny\"\nversion = \"1\"\ndependencies = [\"six==1.17.0\"]\n\n[project.scripts]\ntiny = \"tiny:main\"\n\n[tool.setuptools]\npy-modules = [\"tiny\"]\n",
		"tiny.py":        "import six\n\n\ndef main():\n    print('six is', six.__version__)\n",
	})
	lock := exec.Command("cargo", "generate-lockfile")
	lock.Dir = dir
	if out, err := lock.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	status, out := vmtest.Run(t, env, dir, "apply")
	if status != 0 || !strings.Contains(out, "six is 1.") {
		t.Fatalf("exit status %d\n%s", status, out)
	}
	artifacts := filepath.Join(t.TempDir(), "out")
	if status, text := vmtest.Run(t, env, dir, "artifacts", "latest", artifacts); status != 0 {
		t.Fatalf("artifacts: %d\n%s", status, text)
	}
	if _, err := os.Stat(filepath.Join(artifacts, "tiny/plan.rust/doc/tiny/fn.show.html")); err != nil {
		t.Error(err)
	}
	write(t, dir, map[string]string{"src/lib.rs": "//! Tiny.\n\npub fn broken() -> u32 {\n    \"text\"\n}\n"})
	status, out = vmtest.Run(t, env, dir, "apply", "-target=plan.rust")
	if status != 1 || !strings.Contains(out, "mismatched types") {
		t.Errorf("exit status %d, though the source is wrong\n%s", status, out)
	}
	if strings.Contains(out, "Compiling itoa") || strings.Contains(out, "Downloaded") {
		t.Errorf("the crate was fetched or compiled again\n%s", out)
	}
}

// A toolchain that the image does not have is there for later actions of its
// stage and for plan stages.
func TestVMRustup(t *testing.T) {
	dir, env := t.TempDir(), vmtest.Env(t)
	write(t, dir, map[string]string{"ambient.hcl": toolsImage + `
project "toolchain" {
  image = image.tools
  pre "rust" {
    limits { memory = "1GiB" }
    action "rustup" { channel = "1.85.0" }
    action "shell" { script = "cargo --version | grep -F 1.85.0" }
  }
  plan "build" {
    action "shell" {
      script = <<-EOT
        cargo new --vcs none /tmp/x
        cd /tmp/x
        cargo run --offline
        rustc --version
      EOT
    }
  }
}
`})
	status, out := vmtest.Run(t, env, dir, "apply")
	if status != 0 || !strings.Contains(out, "Hello, world!") || !strings.Contains(out, "plan.build | rustc 1.85.0") {
		t.Fatalf("exit status %d\n%s", status, out)
	}
}
