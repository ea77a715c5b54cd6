project "app" {
  source = "data"
  image  = local.later.base
  limits = local.later.tight
  env    = { A = 1, B = true, C = var.token, D = var.env }

  limits {
    memory = "2GiB"
  }

  pre "fetch" {
    action "http_get" {
      file { url = "https://example.org/a" }
      file { url = "https://example.org/${local.names[0]}" }
    }
  }

  pre "more" {
    after = [pre.fetch]
    network { mode = "none" }
    action "shell" { script = "true" }
  }

  plan "build" {
    image = null
    limits {
      timeout = "10m"
    }
    env = { C = "open", LIB = project.lib.plan.build.artifacts }
    action "custom" {
      name    = "all-types"
      args    = { list = [1, 2.5, "x", null, true], token = var.token }
      strings = toset(["b", "a"])
      map     = { n = 1 }
      number  = "42"
      flag    = false
    }
  }

  plan "test" {
    for_each = { short = 1, "weird key/é" = 2 }
    limits   = limits.tight
    after    = [plan.build, project.lib.plan.build]
    action "shell" {
      script = <<-EOT
        cd ${plan.build.artifacts}
        run ${each.key} ${each.value} ${var.settings.jobs}
        echo '${local.page}'
      EOT
    }
  }

  plan "one" {
    for_each = toset(["short"])
    action "shell" { script = plan.test[each.key].artifacts }
  }

  plan "all" {
    action "shell" { script = join(" ", [for t in plan.test : t.artifacts]) }
  }

  post "out" {
    after = [plan.test["short"]]
    action "shell" { script = "ls ${plan.all.artifacts} ${plan.one["short"].artifacts} ${join(" ", local.files)}" }
  }
}
