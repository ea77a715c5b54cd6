action "shell" { # ERROR: Name of a built-in action
  action "custom" { name = "x" }
}
action "twice" {
  action "shell" { script = "true" }
}
action "twice" { # ERROR: Duplicate action
  action "shell" { script = "true" }
}
action "a.b" { # ERROR: Invalid name
  action "shell" { script = "true" }
}
action "empty" { # ERROR: Action without actions
  description = "Nothing."
}
action "unused" {
  description = upper(var.x) # ERROR: Reference not allowed here
  param "p" {}
  param "p" {} # ERROR: Duplicate parameter
  param "env" {} # ERROR: Reserved name
  param "q" {
    type    = strng # ERROR: Invalid type specification
    defualt = 1 # ERROR: Unknown argument
  }
  network {} # ERROR: Block not allowed here
  action "shell" { scrpt = "true" } # ERROR: Unknown argument
  action "shel" { script = "true" } # ERROR: Unknown action
  action "shell" { script = param.r } # ERROR: Unknown reference
  action "shell" { script = p } # ERROR: Unknown reference
  action "shell" { script = plan.build.artifacts } # ERROR: Reference not allowed in an action
  action "shell" { script = each.key } # ERROR: Reference not allowed in an action
  action "shell" { script = image.x.name } # ERROR: Reference not allowed in an action
  action "shell" { script = source.x } # ERROR: Reference not allowed in an action
  action "shell" { script = local.none } # ERROR: Unknown reference
  action "shell" { script = param } # ERROR: Incomplete reference
  action "lib.x" {} # ERROR: Unknown module
}
action "typed" {
  param "list" { type = list(string) }
  param "number" {
    type    = number
    default = "x" # ERROR: Wrong type
  }
  action "shell" { script = join(" ", param.list) }
}
action "phases" { # ERROR: Action fits no phase
  action "http_get" { url = "https://example.org" }
  action "custom" { name = "x" }
}
action "narrow" {
  phases = ["pre", "plan"] # ERROR: Phase not possible
  action "custom" { name = "x" }
}
action "strange" {
  phases = ["plan", "pots"] # ERROR: Unknown phase
  action "shell" { script = "true" }
}
action "nowhere" {
  phases = [] # ERROR: No phase
  action "shell" { script = "true" }
}
action "own" {
  action "own" {} # ERROR: Circular actions
}
action "one" {
  action "two" {}
}
action "two" {
  action "three" {}
}
action "three" {
  action "one" {} # ERROR: Circular actions
}
action "dynamic" {
  param "names" { type = list(string) }
  dynamic "param" { # ERROR: Block not allowed here
    for_each = []
    content {}
  }
  dynamic "action" { # ERROR: Missing argument
    for_each = param.names
    content { script = "true" }
  }
  dynamic "action" {
    for_each = param.names
    labels   = [param.names[0]] # ERROR: Reference not allowed here
    content { script = "true" }
  }
}
action "outside" {
  param "a" {
    default = param.b # ERROR: Reference outside an action
    validation {
      condition     = param.c # ERROR: Unknown reference
      error_message = "no"
    }
  }
  action "shell" { script = "true" }
}

# What only a use can bring to light.
action "good" {
  description = "All is well with it."
  param "name" {
    type        = string
    description = "What to greet."
    validation {
      condition     = param.name != "bad" && length(param.others) < 3
      error_message = "name must not be ${param.name}."
    }
  }
  param "others" {
    type    = list(string)
    default = []
  }
  action "shell" { script = param.others[0] } # ERROR: Invalid index
  action "custom" { name = param.name }
}
action "fetch" {
  param "url" { type = string }
  action "http_get" {
    file { url = param.url } # ERROR: Bad address
  }
}
action "nested" {
  param "u" {}
  action "fetch" { url = param.u }
}
action "cargo" {
  action "cargo_fmt" {} # ERROR: Action needs a Debian image
}

project "p" {
  pre "a" {
    action "good" { name = "x" } # ERROR: Action not allowed in this phase
    action "nested" { u = "bad" }
  }
  plan "b" {
    action "good" {} # ERROR: Missing argument
    action "good" {
      nam = "x" # ERROR: Unknown argument
    }
    action "good" {
      name    = "x"
      timeout = "1s" # ERROR: Not supported by this version
    }
    action "good" { name = null } # ERROR: Missing value
    action "good" { name = ["x"] } # ERROR: Wrong type
    action "good" { name = "bad" } # ERROR: Invalid value for a parameter
    action "good" {
      name   = plan.b.artifacts # ERROR: Stage refers to itself
      others = ["a"]
    }
    action "good" {
      name = "x"
      env  = { "a b" = 1 } # ERROR: Invalid name of an environment variable
    }
    action "good" { name = "x" }
    action "god" { name = "x" } # ERROR: Unknown action
    action "own" { what = local.none } # ERROR: Unknown reference
    action "one" {}
    action "unused" { p = local.none } # ERROR: Unknown reference
    action "cargo" {}
    action "shell" { script = param.x } # ERROR: Reference outside an action
  }
}
