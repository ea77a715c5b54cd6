locals {
  a = local.b
  b = "${local.c}!"
  c = local.a # ERROR: Circular reference
  self = local.self # ERROR: Circular reference
  nope = loca.a # ERROR: Unknown reference
  word = hello # ERROR: Unknown reference
  stage = plan.build.artifacts # ERROR: Reference to a stage not allowed here
  key = each.key # ERROR: Reference outside for_each
  index = local.list[7] # ERROR: Invalid index
  list = [1, 2]
  attr = local.list.first # ERROR: Unsupported attribute
  splat = local.*.a # ERROR: Incomplete reference
  dynamic = local[local.list] # ERROR: Incomplete reference
  sum = 1 + "x" # ERROR: Invalid operand
}
locals {
  list = [] # ERROR: Duplicate local
  inner { # ERROR: Unknown block
  }
}
project "p" {
  plan "build" {
    action "shell" { script = local.a }
  }
}
