# A Rust program with crates of others, whose command line is tested by Python
# code with packages of others: all fetched in machines with a network, used in
# others that have none.

image "tools" {
  debian {
    suite = "bookworm"
    packages = [
      "cargo-web", "python3-pip", "python3-venv", "rust-web-clippy", "rustc-web", "rustfmt-web",
    ]
  }
}

project "roman" {
  image = image.tools
  limits { memory = "1GiB" }

  pre "crates" {
    action "cargo_fetch" {}
  }

  pre "wheels" {
    action "pip_get" {
      require_hashes = true
    }
  }

  plan "build" {
    action "cargo_fmt" {}
    action "cargo_clippy" {}
    action "cargo_test" {}
    action "cargo_install" {}
  }

  plan "try" {
    action "pip_install" {}
    action "pytest" {
      junit = "pytest.xml"
      env   = { ROMAN = "${plan.build.artifacts}/bin/roman" }
    }
  }
}
