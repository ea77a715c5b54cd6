variable "token" {
  type      = string
  default   = "hunter2-secret"
  sensitive = true
  validation {
    condition     = length(var.token) > 100 # ERROR: Invalid value for a variable
    error_message = "The token ${var.token} is too short."
  }
}
locals {
  bad  = parseint(var.token, 10) # ERROR: Invalid function argument
  copy = "x${var.token}"
}
image "a" {
  debian {
    suite = local.copy # ERROR: Sensitive value not allowed here
  }
}
project "p" {
  source = var.token # ERROR: Sensitive value not allowed here
  env    = { TOKEN = var.token }
  plan "x" {
    for_each = toset([var.token]) # ERROR: Sensitive value not allowed here
    action "shell" { script = "true" }
  }
  plan "y" {
    action "http_get" { url = var.token } # ERROR: Action not allowed in this phase
    action "custom" {
      name   = "x"
      number = local.copy # ERROR: Wrong type
    }
  }
  pre "z" {
    action "http_get" {
      file { url = "x" }
      url = local.copy # ERROR: Both url and file
    }
    limits {
      memory = var.token # ERROR: Sensitive value not allowed here
    }
  }
}
