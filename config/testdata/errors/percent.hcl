project "p" {
  plan "a" {
    action "shell" { script = "curl -w '%{http_code}' x" } # ERROR: Invalid template control keyword
  }
}
