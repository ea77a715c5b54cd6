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
    CARGO_TARGET_DIR = "/ci/cache"
  }

  pre "deps" {
    # The toolchain that the project uses.
    action "rustup" {
      channel    = "1.80"
      components = ["clippy", "rustfmt"]
      profile    = "minimal"
      target     = ["wasm32-unknown-unknown"]
    }

    action "cargo_fetch" {}
  }

  plan "ci" {
    action "cargo_fmt" {}

    action "cargo_clippy" {}

    # The image must have cargo-deny, which may be no package of its Debian release.
    action "cargo_deny" {}

    action "cargo_doc" {}

    action "cargo_build" {}

    action "cargo_test" {}

    action "cargo_install" {}

    # The documentation must build.
    # Crates are in /ci/deps/cargo now, and CARGO_HOME says so already: leave it alone in the script.
    action "shell" {
      script = <<-EOT
        export CARGO_HOME=/workspace/deps
        export CARGO_TARGET_DIR=/workspace/cache
        export PATH="/root/.cargo/bin:$${PATH}"

        if cargo doc --workspace; then
          echo "built %%{100}"
        fi
      EOT
    }

    # A package comes last.
    # Building a package needs the Build-Depends of debian/control: add them to the packages of the image.
    action "deb" {
      source = true
    }

    # The end.
  }
}
