variable "token" {
  default   = "s3cret-token"
  sensitive = true
}
project "p" {
  dynamic "plan" { # ERROR: Block not allowed here
    for_each = []
    content {}
  }
  plan "a" {
    dynamic "action" { # ERROR: Missing argument # ERROR: Missing block
    }
    dynamic "actoin" { # ERROR: Unknown block
      for_each = ["a"]
      content {}
    }
    dynamic "matrix" { # ERROR: Block not allowed here
      for_each = ["a"]
      content {}
    }
    dynamic "network" { # ERROR: Block not allowed here
      for_each = ["a"]
      content {}
    }
    dynamic { # ERROR: Missing label
      for_each = ["a"]
    }
    dynamic "action" {
      for_each = "a" # ERROR: Wrong type
      labels   = ["shell"]
      content {}
    }
    dynamic "action" {
      for_each = null # ERROR: Wrong type
      labels   = ["shell"]
      content {}
    }
    dynamic "action" { # ERROR: Missing argument
      for_each = ["a"]
      content {}
    }
    dynamic "action" {
      for_each = ["a"]
      labels   = ["shell", "x"] # ERROR: Wrong number of labels
      content {}
    }
    dynamic "action" {
      for_each = ["a"]
      labels   = ["shel"] # ERROR: Unknown action
      content {}
    }
    dynamic "action" {
      for_each = ["a"]
      iterator = "it" # ERROR: Invalid name
      labels   = ["shell"]
      content {}
    }
    dynamic "action" {
      for_each = ["a"]
      iterator = each # ERROR: Reserved name
      labels   = ["shell"]
      content {}
    }
    dynamic "action" {
      for_each = [var.token]
      labels   = ["shell"]
      content { script = action.value }
    }
    dynamic "action" {
      for_each = toset([var.token]) # ERROR: Sensitive value not allowed here
      labels   = ["shell"]
      content { script = action.value }
    }
    dynamic "action" {
      for_each = ["a", "b"]
      labels   = ["shell"]
      content {
        script = action.val # ERROR: Unsupported attribute
        scirpt = "x" # ERROR: Unknown argument
      }
    }
    dynamic "action" {
      for_each = ["a"]
      iterator = it
      labels   = ["shell"]
      content { script = action.value } # ERROR: Unknown reference
    }
    dynamic "action" {
      for_each = range(900)
      labels   = ["shell"]
      content { script = plan.b.artifacts }
    }
    dynamic "action" {
      for_each = split(",", format("%s%s", join(",", range(900)), join(",", range(1000, 1900)))) # ERROR: Too many blocks
      labels   = ["shell"]
      content { script = action.value }
    }
    dynamic "limits" { # ERROR: Reserved name
      for_each = ["1GiB"]
      content { memory = limits.value }
    }
    dynamic "limits" { # ERROR: Duplicate block
      for_each = ["1GiB", "2GiB"]
      iterator = it
      content { memory = it.value }
    }
  }
  plan "b" { # ERROR: Stage without actions
    dynamic "action" {
      for_each = []
      labels   = ["shell"]
      content { script = "true" }
    }
  }
  pre "c" {
    action "http_get" {
      dynamic "file" {
        for_each = ["good", "bad"]
        content { url = file.value } # ERROR: Bad address
      }
    }
    action "http_get" {
      dynamic "fiel" { # ERROR: Unknown block
        for_each = ["good"]
        content { url = fiel.value }
      }
    }
    action "shell" {
      script = "true"
      dynamic "file" { # ERROR: Unknown block
        for_each = ["good"]
        content { url = file.value }
      }
    }
  }
}
