project "p" {
  pre "a" {
    reuse = false
    reuse { max_age = "1h" } # ERROR: Reuse written twice
    action "shell" { script = "true" }
  }
  pre "b" {
    reuse {} # ERROR: Empty block
    action "shell" { script = "true" }
  }
  pre "c" {
    reuse {
      files   = ["go.sum", "../go.sum", "/etc/passwd", "a/**/b", "[x"] # ERROR: Invalid path # ERROR: Invalid path # ERROR: Invalid path # ERROR: Invalid path
      max_age = "1ms" # ERROR: Invalid duration
      age     = "1h" # ERROR: Unknown argument
    }
    action "shell" { script = "true" }
  }
  plan "d" {
    reuse = "perhaps" # ERROR: Wrong type
    reuse { max_age = "1h" } # ERROR: Argument written as block
    action "shell" { script = "true" }
  }
  post "e" {
    reuse = false # ERROR: Unknown argument
    action "shell" { script = "true" }
  }
}
