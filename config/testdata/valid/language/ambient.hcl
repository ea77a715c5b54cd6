# Everything that makes pipelines short: matrix, dynamic blocks, when, retry,
# time limits and environment at every level, further sources.

ambient { required_version = ">= 0.1, < 2, != 0.1.7" }

variable "checks" {
  type = list(object({ name = string, args = optional(list(string), ["./..."]), env = optional(map(string), {}) }))
  default = [
    { name = "vet" },
    { name = "test", args = ["-race", "./..."], env = { CGO_ENABLED = "1" } },
  ]
}

variable "token" {
  default   = "s3cret-token"
  sensitive = true
}

project "app" {
  timeout = "2h"
  env     = { LEVEL = "project", ONE = "project", LIB = source.lib }
  sources = {
    lib    = "lib"
    remote = "git::https://example.org/remote.git//sub?ref=0123456789012345678901234567890123456789"
    data   = "https://example.org/data.tar.gz?checksum=sha256:${sha256("")}"
  }

  pre "fetch" {
    retry {
      attempts = 3
      on       = ["errored"]
      delay    = "30s"
    }
    action "http_get" {
      dynamic "file" {
        for_each = { a = "one", b = "two" }
        content { url = "https://example.org/${file.key}/${file.value}" }
      }
      file { url = "https://example.org/last" }
    }
  }

  plan "test" {
    timeout = "20m"
    env     = { LEVEL = "stage", ONE = "stage" }
    limits {
      timeout = "10m"
      memory  = "2GiB"
    }
    matrix {
      go      = ["1.25", "1.26"]
      race    = [false, true]
      note    = ["a,b", "c\\d"]
      exclude = [{ go = "1.25", race = true }, { go = "1.26", note = "a,b", race = "true" }]
      include = [{ race = true, note = "", go = 1.27 }]
    }
    action "shell" {
      env     = { LEVEL = "action" }
      timeout = "5m"
      script  = "${source.remote}/test ${each.value.go} ${each.value.race ? "-race" : ""} ${each.key}"
    }
  }

  plan "dynamic" {
    dynamic "action" {
      for_each = var.checks
      iterator = check
      labels   = ["custom"]
      content {
        name = check.value.name
        args = [for a in check.value.args : "${check.key}:${a}"]
        env  = check.value.env
      }
    }
    action "shell" { script = "between" }
    dynamic "action" {
      for_each = { for key, t in plan.test : key => t.artifacts if endswith(key, "d") }
      labels   = ["shell"]
      content { script = "ls ${action.value}" }
    }
    dynamic "action" {
      for_each = [var.token]
      labels   = ["shell"]
      content { script = action.value }
    }
    dynamic "retry" {
      for_each = toset(["failed"])
      content {
        attempts = 2
        on       = [retry.key]
      }
    }
  }

  plan "clean" {
    when  = "always"
    after = [plan.dynamic]
    action "shell" { script = "ls ${plan.test["1.26,false,c\\\\d"].artifacts}" }
  }

  post "tell" {
    when    = "failure"
    timeout = "1m"
    action "shell" { script = "echo failed" }
  }
}
