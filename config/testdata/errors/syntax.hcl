project "a" {
  plan "build" {
    action "shell" { script = "true } # ERROR: Unterminated string
  }
}
