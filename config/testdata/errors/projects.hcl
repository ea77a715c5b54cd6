project "a" {
  source = "no-such-directory" # ERROR: Missing source directory
  image  = null
  env    = ["A=b"] # ERROR: Wrong type
  plan "none" { # ERROR: Stage without actions
  }
  plan "weird name" { # ERROR: Invalid name
  }
}
project "b" {
  source = "./ambient.hcl" # ERROR: Source is not a directory
  env = {
    "A B"         = "x" # ERROR: Invalid name of an environment variable
    "1A"          = "x" # ERROR: Invalid name of an environment variable
    ""            = "x" # ERROR: Invalid name of an environment variable
    AMBIENT_CACHE = "x" # ERROR: Reserved environment variable
    LIST          = [] # ERROR: Wrong type
    NULL          = null # ERROR: Missing value
    GOOD          = true
  }
  plan "x" {
    action "shell" { script = "true" }
  }
}
project "c" {
  source = "" # ERROR: Invalid source
  env = {
    "A" = "b"
    "B C" = "c" # ERROR: Invalid name of an environment variable
  }
  plan "x" {
    env = { P = [plan.x] } # ERROR: Stage refers to itself
    action "shell" { script = "true" }
  }
}
project "d" {
  source = ["x"] # ERROR: Wrong type
  plan "x" {
    action "shell" { script = "true" }
  }
}
