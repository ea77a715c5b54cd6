variable "token" {
  type      = string
  default   = "hush-hush"
  sensitive = true
}

locals {
  channel = "edge"
}

use "ci" {
  source  = "./ci"
  channel = local.channel
  token   = var.token
}

# Everything that an action can hold, and itself of another one.
action "checks" {
  description = "Builds for a list of targets and tests."

  param "targets" {
    type    = map(object({ opt = optional(number, 2), debug = optional(bool, false) }))
    default = { linux = {} }
  }
  param "args" {
    default = local.channel
  }

  dynamic "action" {
    for_each = param.targets
    labels   = ["shell"]
    content {
      script = "make ${action.key} OPT=${action.value.opt}${action.value.debug ? " DEBUG=1" : ""}"
      env    = { ONE = "of its own", TWO = "the step's" }
    }
  }
  action "custom" {
    name = "test"
    args = param.args
  }
}

project "app" {
  pre "deps" {
    action "ci.fetch" {
      urls = ["https://example.org/a", "https://example.org/b"]
    }
  }
  plan "build" {
    for_each = toset(["a"])
    action "checks" {
      targets = {
        (each.key) = { debug = true }
        other      = { opt = 3 }
      }
      env = { TWO = "the use's", THREE = 3 }
    }
    action "checks" {
      args = null
    }
  }
  plan "use" {
    action "ci.report" {
      from = plan.build["a"].artifacts
    }
  }
}
