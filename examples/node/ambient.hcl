# A Node package with dependencies of others: fetched in one machine, installed
# and tested in another that has no network.

image "node" {
  debian {
    suite    = "bookworm"
    packages = ["git", "nodejs"]
  }
}

project "odd-words" {
  image = image.node
  limits { memory = "1GiB" }

  pre "packages" {
    action "npm_get" {}
  }

  plan "test" {
    action "npm_ci" {}
    action "npm_test" {}
    action "npm_test" {
      script = "report"
      args   = ["one", "three", "four"]
    }
  }
}
