project "p" {
  timeout = "soon" # ERROR: Invalid duration
  pre "fetch" {
    when = "always" # ERROR: Unknown argument
    action "shell" { script = "true" }
  }
  plan "a" {
    when    = "allways" # ERROR: Unknown condition
    timeout = "1ms" # ERROR: Invalid duration
    retry {
      attempts = 1 # ERROR: Attempts out of range
      on       = ["errored", "error"] # ERROR: Unknown outcome
      delay    = "2h" # ERROR: Invalid duration
    }
    action "shell" { script = "true" }
  }
  plan "b" {
    when = plan.a # ERROR: Reference to a stage not allowed here
    retry {} # ERROR: Missing argument
    retry { attempts = 2 } # ERROR: Duplicate block
    action "shell" { script = "true" }
  }
  plan "c" {
    when = null # ERROR: Missing value
    retry {
      attempts = "many" # ERROR: Wrong type
      on       = [] # ERROR: Empty list
      times    = 3 # ERROR: Unknown argument
    }
    action "shell" { script = "true" }
  }
}
project "q" {
  timeout = 3600 # ERROR: Invalid duration
  plan "x" {
    action "shell" { script = "true" }
  }
}
