limits "a" {
  cpus      = 0 # ERROR: Limit out of range
  memory    = "64MiB" # ERROR: Limit out of range
  disk      = "4GB" # ERROR: Invalid size
  timeout   = 10 # ERROR: Invalid duration
  artifacts = "much" # ERROR: Invalid size
  deps      = -1 # ERROR: Limit out of range
  cache     = "1.0000000001KiB" # ERROR: Invalid size
  log       = [] # ERROR: Invalid size
  processes = 1.5 # ERROR: Invalid number
  memry     = 1 # ERROR: Unknown argument
}
limits "b" {
  cpus      = 65 # ERROR: Limit out of range
  timeout   = "8000h" # ERROR: Limit out of range
  memory    = "99999999999TiB" # ERROR: Invalid size
  disk      = null # ERROR: Invalid size
  processes = "many" # ERROR: Invalid number
}
limits "c" {
  timeout = "soon" # ERROR: Invalid duration
}
limits "ok" {}
project "p" {
  limits = "ok" # ERROR: Not limits
  plan "x" {
    limits = limits.nope # ERROR: Unknown reference
    limits {
      memory = "1KiB" # ERROR: Limit out of range
      name   = "x" # ERROR: Unknown argument
    }
    action "shell" { script = "true" }
  }
  plan "y" {
    limits = merge(limits.ok, { cpus = 2 }) # ERROR: Not limits
    action "shell" { script = "true" }
  }
  plan "z" {
    limits "big" { # ERROR: Too many labels
      cpus = 2
    }
    action "shell" { script = "true" }
  }
}
