projct "a" {} # ERROR: Unknown block
matrix {} # ERROR: Block not allowed here
dynamic "plan" {} # ERROR: Block not allowed here
secret "ssh" "deploy" {} # ERROR: Missing argument # ERROR: Missing hosts
action "mine" {} # ERROR: Action without actions
answer = 42 # ERROR: Unknown argument
locals = {} # ERROR: Block written as argument
project {} # ERROR: Missing label
project "a" "b" {} # ERROR: Too many labels
project "1a" {} # ERROR: Invalid name
project "a.b" {} # ERROR: Invalid name
project "empty" {} # ERROR: Project without stages
project "a" {
  sorce = "." # ERROR: Unknown argument
  lan { # ERROR: Unknown block
  }
  env { # ERROR: Argument written as block
    A = "b"
  }
  plan = { # ERROR: Block written as argument
  }
  git = true # ERROR: Not a git checkout
  limits {}
  limits {} # ERROR: Duplicate block
  plan "build" {
    secrets = [] # ERROR: Argument not allowed here
    foreach = {} # ERROR: Unknown argument
    network { mode = "open" } # ERROR: Block not allowed here
    retry = 3 # ERROR: Block written as argument
    acton "shell" { script = "" } # ERROR: Unknown block
    action "shell" { script = "true" }
  }
  plan "build" { # ERROR: Duplicate plan stage
    action "shell" { script = "true" }
  }
  post "out" {
    network { allow = ["example.org"] } # ERROR: Missing port
    action "shell" { script = "true" }
  }
}
project "a" { # ERROR: Duplicate project
  plan "x" {
    action "shell" { script = "true" }
  }
}
