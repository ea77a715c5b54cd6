# Made by "ambient import" from "rust.yaml".

# The plan of a program in Rust.
# It fetches first.

# The packages are guessed from the plans. Add what is missing.
image "sample" {
  debian {
    suite    = "trixie"
    packages = ["build-essential", "ca-certificates", "debhelper", "dpkg-dev", "gcc", "libc6-dev", "rustup", "xz-utils"]
  }
}

project "sample" {
  image = image.sample
  env = {
    CARGO_HOME       = "/ci/deps"
    CARGO_TARGET_DIR = "/ci/cache"
    RUSTUP_HOME      = "/ci/deps/rustup"
  }

  pre "deps" {
    # The toolchain that the project uses.
    action "shell" {
      script = <<-EOT
        rustup toolchain install --no-self-update --profile=minimal --component=clippy --component=rustfmt --target=wasm32-unknown-unknown -- 1.80
        rustup default -- 1.80
      EOT
    }

    action "shell" {
      script = <<-EOT
        # Only manifests and sources are copied, so that no code and no settings
        # of the project have a part in this.
        copy=$(mktemp -d)
        find . -type f \( -name Cargo.toml -o -name Cargo.lock -o -name '*.rs' ! -name build.rs \) -print0 |
          tar -c --null -T - | tar -x -C "$copy"
        cd "$copy"
        if [ -e Cargo.lock ]; then
          cargo fetch --locked
        else
          cargo fetch
        fi
      EOT
    }
  }

  plan "ci" {
    action "shell" {
      script = "cargo fmt --check"
    }

    action "shell" {
      script = "cargo clippy --offline --locked --workspace --all-targets --no-deps -- --deny warnings"
    }

    # The image must have cargo-deny, which may be no package of its Debian release.
    action "shell" {
      script = "cargo deny --offline --locked --workspace check"
    }

    action "shell" {
      script = "cargo doc --offline --locked --workspace"
    }

    action "shell" {
      script = "cargo build --offline --locked --workspace --all-targets"
    }

    action "shell" {
      script = "cargo test --offline --locked --workspace"
    }

    action "shell" {
      script = <<-EOT
        cargo install --offline --locked --path=. --root="$AMBIENT_ARTIFACTS"
      EOT
    }

    # The documentation must build.
    action "shell" {
      script = <<-EOT
        export CARGO_TARGET_DIR=/workspace/cache
        export PATH="/root/.cargo/bin:$${PATH}"

        if cargo doc --workspace; then
          echo "built %%{100}"
        fi
      EOT
    }

    # A package comes last.
    # Building a package needs the Build-Depends of debian/control: add them to the packages of the image.
    action "shell" {
      script = <<-EOT
        out="$AMBIENT_ARTIFACTS"/''
        name=$(dpkg-parsechangelog -S Source)
        version=$(dpkg-parsechangelog -S Version)
        upstream=$(echo "$version" | sed -e 's/^[0-9]*://' -e 's/-[^-]*$//')
        build=$(mktemp -d)
        cp -a . "$build/$name-$upstream"
        cd "$build"
        tar -cJf "$name"_"$upstream".orig.tar.xz --exclude="$name-$upstream/debian" --exclude="$name-$upstream/.git" "$name-$upstream"
        cd "$name-$upstream"
        dpkg-buildpackage -us -uc
        mkdir -p "$out"
        find "$build" -maxdepth 1 -type f -exec mv {} "$out" \;
      EOT
    }

    # The end.
  }
}
