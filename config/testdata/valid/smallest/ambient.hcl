project "hello" {
  plan "greet" {
    action "shell" { script = "echo hello from $(uname -m)" }
  }
}
