locals {
  big = range(40)
}
project "p" {
  plan "both" {
    for_each = toset(["a"])
    matrix { # ERROR: Both for_each and matrix
      a = ["1"]
    }
    action "shell" { script = each.key }
  }
  plan "none" {
    matrix {} # ERROR: Matrix without axes
    action "shell" { script = each.key }
  }
  plan "many" {
    matrix { # ERROR: Too many instances
      a = local.big
      b = local.big
    }
    action "shell" { script = each.key }
  }
  plan "huge" {
    matrix { # ERROR: Too many instances
      a = range(900)
      b = range(900)
      c = range(900)
      d = range(900)
    }
    action "shell" { script = each.key }
  }
  plan "types" {
    matrix {
      a = "1" # ERROR: Wrong type
      b = null # ERROR: Wrong type
      c = ["x", {}, null] # ERROR: Wrong type # ERROR: Wrong type
      d = ["1", 1] # ERROR: Duplicate value
      exclud = [{ d = 1 }] # ERROR: Wrong type
      e = plan.both # ERROR: Reference to a stage not allowed here
      inner {} # ERROR: Unknown block
    }
    action "shell" { script = each.key }
  }
  plan "objects" {
    matrix {
      go = ["1.25", "1.26"]
      os = ["a", "b"]
      exclude = [{ gp = "1.25" }, {}, "go", { os = [] }] # ERROR: Unknown axis # ERROR: Wrong type # ERROR: Wrong type # ERROR: Wrong type
      include = [
        { go = "1.27" }, # ERROR: Missing axis
        { go = "1.26", os = "b" }, # ERROR: Duplicate combination
        { go = "1.28", os = "a" },
        { go = "1.28", os = "a" }, # ERROR: Duplicate combination
      ]
    }
    action "shell" { script = each.key }
  }
  plan "list" {
    matrix {
      go      = ["1.25"]
      exclude = { go = "1.25" } # ERROR: Wrong type
      include = "1.26" # ERROR: Wrong type
    }
    action "shell" { script = each.key }
  }
  plan "key" {
    matrix { # ERROR: Invalid key of a matrix
      a = ["one\ntwo"]
    }
    action "shell" { script = each.key }
  }
  plan "empty-key" {
    matrix { # ERROR: Invalid key of a matrix
      a = [""]
    }
    action "shell" { script = each.key }
  }
  plan "values" {
    matrix {
      go = ["1.25"]
    }
    action "shell" { script = each.value.os } # ERROR: Unsupported attribute
    action "shell" { script = plan.good["1.25"].artifacts } # ERROR: Unknown instance
    action "shell" { script = plan.good.artifacts } # ERROR: Reference to a stage with for_each
  }
  plan "good" {
    matrix {
      go = ["1.25"]
      os = ["x"]
    }
    action "shell" { script = each.key }
  }
}
