ambient { required_version = ">= 0.1" }

variable "channel" {
  type    = string
  default = "stable"
  validation {
    condition     = contains(["stable", "edge"], var.channel)
    error_message = "channel must be stable or edge."
  }
}

locals { packages = ["git", "make", "gcc", "libc6-dev"] }

image "debian" {
  debian {
    suite    = "bookworm"
    packages = local.packages
  }
}

limits "small" {
  cpus      = 2
  memory    = "1GiB"
  disk      = "4GiB"
  timeout   = "10m"
  artifacts = "256MiB"
  cache     = "1GiB"
  log       = "16MiB"
}

project "greet" {
  source = "."
  image  = image.debian
  limits = limits.small
  env    = { LANG = "C.UTF-8" }

  pre "deps" {
    action "http_get" {
      url    = "https://example.org/words.txt"
      sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
    }
  }

  plan "build" {
    action "shell" { script = "make && make install DESTDIR=$AMBIENT_ARTIFACTS" }
  }

  plan "test" {
    for_each = toset(["short", "long"])
    limits { memory = "2GiB" }
    action "shell" { script = "${plan.build.artifacts}/usr/bin/greet --selftest=${each.key}" }
  }

  post "publish" {
    after = [plan.test["short"]]
    network { mode = "none" }
    action "shell" { script = "ls /ci/artifacts" }
  }
}
