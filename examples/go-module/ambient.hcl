# A Go module with dependencies of others: downloaded in one machine, vetted,
# built and tested in others that have no network.

image "go" {
  debian {
    suite    = "bookworm"
    packages = ["golang-go"]
  }
}

project "nearest" {
  image = image.go
  limits { memory = "1GiB" }

  pre "modules" {
    action "go_mod_download" {}
  }

  plan "build" {
    action "go_vet" {}
    action "go_test" {}
    action "go_build" {
      output = "nearest"
    }
  }

  plan "try" {
    action "shell" {
      script = "${plan.build.artifacts}/nearest plam | grep -x plan"
    }
  }
}
