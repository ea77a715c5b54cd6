variable "greeting" {}

action "say" {
  param "what" {}
  action "shell" {
    script = "echo ${var.greeting}: '${param.what}' ${trimspace(file("data/sign.txt"))}"
  }
}
