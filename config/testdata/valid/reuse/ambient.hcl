project "p" {
  pre "declared" {
    reuse {
      files   = ["go.sum", "**/*.lock", "."]
      max_age = "36h"
    }
    action "shell" { script = "true" }
  }
  pre "never" {
    reuse = false
    action "shell" { script = "true" }
  }
  plan "never" {
    reuse = false
    action "shell" { script = "true" }
  }
  plan "as_ever" {
    reuse = true
    action "shell" { script = "true" }
  }
}
